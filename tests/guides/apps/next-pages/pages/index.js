import Head from 'next/head';

export default function Page() {
  return (
    <>
      <Head><title>Home</title></Head>
      <h1>Home</h1>
    </>
  );
}
