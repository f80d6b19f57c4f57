import { Contact } from './contact.js';

export const metadata = { title: 'Contact' };

export default function Page() {
  return (
    <main>
      <h1>Contact</h1>
      <Contact />
    </main>
  );
}
