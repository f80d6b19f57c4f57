export async function signIn() {
  const { email } = await (await fetch('/api/session')).json();
  window.handraise?.('identify', { email });
}

export function signOut() {
  window.handraise?.('reset');
}
