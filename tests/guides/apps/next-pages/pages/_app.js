import Script from 'next/script';
import { Nav } from '../nav.js';

export default function App({ Component, pageProps }) {
  return (
    <>
      <Nav />
      <Component {...pageProps} />
      <Script src="https://YOUR-SERVER/h/SITE-KEY.js" strategy="afterInteractive" />
    </>
  );
}
