import Link from 'next/link';
import { signIn, signOut } from './session.js';

export function Nav() {
  return (
    <nav>
      <Link href="/">Home</Link> <Link href="/pricing">Pricing</Link> <Link href="/contact">Contact</Link>
      <button id="sign-in" onClick={signIn}>Sign in</button>
      <button id="sign-out" onClick={signOut}>Sign out</button>
    </nav>
  );
}
