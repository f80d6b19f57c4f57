/**
 * Types of the one global the widget adds. Copy this file into your project, or name it in
 * `compilerOptions.types`; your server gives it out as `/h/handraise.d.ts`.
 *
 * Before the widget has loaded `window.handraise` is there only with the stub of the install guide,
 * therefore `window.handraise?.(…)`.
 */
declare namespace Handraise {
  /** What may be sent with an event or as a trait: plain data, copied when the call is made. */
  type Data = { [name: string]: unknown };

  /** Who somebody is: at least one of the three. `token` is a signed one of your own server. */
  interface Identity {
    email?: string;
    user_id?: string;
    token?: string;
    traits?: Data;
  }

  /** What the visitor was shown when they answered, kept with the answer. */
  interface Proof {
    text?: string;
    version?: string;
  }

  interface Tracker {
    /** An event of your own. */
    (command: 'track', name: string, properties?: Data): void;
    /** Who this is; somebody else than last time begins as a new visitor. */
    (command: 'identify', who: Identity): void;
    /** A page view. Address and title are for sites with options of their own, see the guide. */
    (command: 'page', address?: string, title?: string): void;
    /** The visitor's answer. Anything but `true` and `'granted'` is a refusal. */
    (command: 'consent', given: boolean | 'granted' | 'denied', proof?: Proof): void;
    /** The next event is a new visitor's: for a sign-out. */
    (command: 'reset'): void;
    /** The visitor id, 22 characters, for a hidden field or a call from your server. */
    (command: 'id', take: (visitor: string) => void): void;
    /** The widget's major version, once it has loaded. */
    readonly b?: string;
  }
}

/** Also `window.handraise`. */
declare var handraise: Handraise.Tracker | undefined;
