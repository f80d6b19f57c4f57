import Script from 'next/script';
import { Nav } from './nav.js';

export default function RootLayout({ children }) {
  return (
    <html lang="en">
      <body>
        <Nav />
        {children}
        <Script src="https://YOUR-SERVER/h/SITE-KEY.js" strategy="afterInteractive" />
      </body>
    </html>
  );
}
