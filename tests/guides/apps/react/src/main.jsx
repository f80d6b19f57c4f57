import { StrictMode, useEffect } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter, Link, Route, Routes } from 'react-router';
import { Contact } from './contact.jsx';
import { signIn, signOut } from './session.js';

function Page({ title, children }) {
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <main>
      <h1>{title}</h1>
      {children}
    </main>
  );
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <BrowserRouter>
      <nav>
        <Link to="/">Home</Link> <Link to="/pricing">Pricing</Link> <Link to="/contact">Contact</Link>
        <button id="sign-in" onClick={signIn}>Sign in</button>
        <button id="sign-out" onClick={signOut}>Sign out</button>
      </nav>
      <Routes>
        <Route path="/" element={<Page title="Home" />} />
        <Route path="/pricing" element={<Page title="Pricing" />} />
        <Route path="/contact" element={<Page title="Contact"><Contact /></Page>} />
      </Routes>
    </BrowserRouter>
  </StrictMode>,
);
