import Head from 'next/head';
import { Contact } from '../contact.js';

export default function Page() {
  return (
    <>
      <Head><title>Contact</title></Head>
      <h1>Contact</h1>
      <Contact />
    </>
  );
}
