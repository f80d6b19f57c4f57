/**
 * The settings of a site: the argument of the function the build wraps round the widget. In the
 * build for the default configuration it is the key alone.
 */
declare const SETTINGS: any;
/** The major version of the widget, told with every batch. */
declare const BUILD: string;
/** Whether this build can do more than the default configuration needs. */
declare const OPTIONS: boolean;
/** Name of the file with what is optional, a hash of its text in it. */
declare const CHUNK: string;

/** In Chromium since 144, in Firefox since 139. */
declare const Temporal: { Now: { timeZoneId(): string } };

interface Window {
  handraise?: import('./types').Handraise;
  doNotTrack?: string;
}

interface Navigator {
  globalPrivacyControl?: boolean;
}

interface Document {
  prerendering?: boolean;
}
