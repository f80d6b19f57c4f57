import { useRouter } from 'next/router';
import { useState } from 'react';

/** A controlled form; once it is sent, another route says thanks. */
export function Contact() {
  const router = useRouter();
  const [values, setValues] = useState({ name: '', email: '', message: '' });
  const change = ({ target }) => setValues({ ...values, [target.name]: target.value });

  async function submit(event) {
    event.preventDefault();
    await fetch('/api/contact', { method: 'POST', body: JSON.stringify(values) });
    router.push('/thanks');
  }

  return (
    <form id="contact" onSubmit={submit}>
      <input name="name" value={values.name} onChange={change} />
      <input name="email" type="email" value={values.email} onChange={change} />
      <textarea name="message" value={values.message} onChange={change} />
      <button>Send</button>
    </form>
  );
}
