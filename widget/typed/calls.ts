// What a page may call by `handraise.d.ts`, and what it may not: checked, never run.
handraise?.('track', 'signed up', { plan: 'pro', seats: 3 });
handraise?.('identify', { email: 'ann@brew.example', traits: { role: 'owner' } });
handraise?.('identify', { token: 'signed' });
handraise?.('page');
handraise?.('page', '/checkout/2', 'Checkout');
handraise?.('consent', true);
handraise?.('consent', 'denied', { text: 'May we?', version: '2026-11' });
handraise?.('reset');
handraise?.('id', (visitor) => visitor.length);
// @ts-expect-error: no such command
handraise?.('trak', 'signed up');
// @ts-expect-error: an event has a name
handraise?.('track');
// @ts-expect-error: no such answer
handraise?.('consent', 'maybe');
