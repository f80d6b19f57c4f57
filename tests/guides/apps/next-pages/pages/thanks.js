import Head from 'next/head';

export default function Page() {
  return (
    <>
      <Head><title>Thanks</title></Head>
      <h1>Thanks</h1>
    </>
  );
}
