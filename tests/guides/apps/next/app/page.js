export const metadata = { title: 'Home' };

export default function Page() {
  return <h1>Home</h1>;
}
