import Head from 'next/head';

export default function Page() {
  return (
    <>
      <Head><title>Pricing</title></Head>
      <h1>Pricing</h1>
    </>
  );
}
