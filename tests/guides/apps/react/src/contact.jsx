import { useState } from 'react';

const EMPTY = { name: '', email: '', message: '' };

/** A controlled form; once it is sent, thanks stand in its place. */
export function Contact() {
  const [values, setValues] = useState(EMPTY);
  const [sent, setSent] = useState(false);
  const change = ({ target }) => setValues({ ...values, [target.name]: target.value });

  async function submit(event) {
    event.preventDefault();
    await fetch('/api/contact', { method: 'POST', body: JSON.stringify(values) });
    setSent(true);
  }

  if (sent) return <p id="sent">Thank you.</p>;
  return (
    <form id="contact" onSubmit={submit}>
      <input name="name" value={values.name} onChange={change} />
      <input name="email" type="email" value={values.email} onChange={change} />
      <textarea name="message" value={values.message} onChange={change} />
      <button>Send</button>
    </form>
  );
}
