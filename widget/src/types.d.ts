/** Settings, inlined by the server or read from `data-*` attributes (there all are text). */
export interface Settings {
  key: string;
  /** The key before this one. */
  was: string;
  host: string;
  /** `tcf`: as `off`, until the consent manager says that nobody need be asked. */
  consent: 'on' | 'ask' | 'off' | 'tcf';
  gpc: boolean | number | string;
  /** Whether page views that an objection keeps out are sent to be counted, without a visitor. */
  count: unknown;
  search: unknown;
  hash: unknown;
  manual: unknown;
  frames: unknown;
  /** A regular expression for paths. */
  exclude: string;
  /** A CSS selector: controls that match it, or stand in what does, are never read. */
  private: string;
  /** Whether clicks on links that lead away are events; on files; on what is marked. */
  links: unknown;
  downloads: unknown;
  marks: unknown;
  /** Whether a click on `mailto:` or `tel:` may tell the address. */
  addresses: unknown;
  /** Hosts that belong to the site: a link to one leads nowhere else. */
  own: unknown;
  /** Whether links to those take the visitor along. */
  handover: unknown;
  /** Set by the server where the script is on the page's own origin. */
  mirror: unknown;
  /** Whether what has `data-hr-form` is taken for a form. */
  containers: unknown;
  /** Whether to ask the page's consent manager. */
  tcf: unknown;
}

/** What the optional part gets from the widget; these names are not shortened. */
export interface Core {
  settings: Settings;
  record(type: string, data: object): unknown;
  visitor(): string;
  endpoint: string;
  /** Whether a page view is counted now. */
  viewed(): unknown;
  /** Whether the visitor may be remembered. */
  kept(): unknown;
  /** Nobody need be asked: a site that only waited for that goes on as one that does not ask. */
  lift(): void;
}

/** The one global. Calls made before the widget is there wait in `q` with their times. */
export interface Handraise {
  (...call: [command: string, ...args: any[]]): void;
  q?: { push(call: Call): unknown; forEach?(run: (call: Call) => void): void };
  b?: string;
}

export type Call = [at: number, command: string, ...args: any[]];

/** An event on the wire; the names are those of the wire protocol. */
export interface Event_ {
  /** id */
  i: string;
  /** type */
  y: string;
  /** at */
  t: number;
  /** URL of the page */
  u: string;
  /** referrer */
  r?: string;
  /** title */
  n?: string;
  /** id of the page view it happened on */
  p?: string;
  /** number within the tab */
  q?: number;
  /** data */
  d: Record<string, any>;
}

/** An event that waits, and its visitor; none is for a submission on its own. */
export interface Waiting {
  e: Event_;
  v: string;
}

/** What inputs, selections and text areas have of interest here. */
export interface Control extends HTMLInputElement {
  selectedOptions?: HTMLCollectionOf<HTMLOptionElement>;
}
