document.addEventListener('click', async ({ target }) => {
  if (target.id == 'sign-in') {
    const { email } = await (await fetch('/api/session')).json();
    window.handraise?.('identify', { email });
  }
  if (target.id == 'sign-out') window.handraise?.('reset');
});
