export const metadata = { title: 'Thanks' };

export default function Page() {
  return <h1>Thanks</h1>;
}
