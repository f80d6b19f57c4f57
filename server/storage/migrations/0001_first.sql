-- The first schema: log, derived tables (by generation), operational tables.
-- Macros: $int 64-bit integer, $bytes byte string, $text byte-ordered text, $clustered = rows live
-- in the primary key's tree. Times are UTC milliseconds, days are days since 1970-01-01.

-- ---------------------------------------------------------------- global

CREATE TABLE sites (
  site_id $int NOT NULL PRIMARY KEY,
  name $text NOT NULL,
  key $text NOT NULL UNIQUE,
  key_before $text UNIQUE,
  identify_secret $text NOT NULL,
  identify_secret_before $text,
  generation $int NOT NULL DEFAULT 1,
  ruleset $int NOT NULL DEFAULT 1, -- the published version
  settings $text NOT NULL,
  settings_seq $int NOT NULL DEFAULT 0,
  changes $int NOT NULL DEFAULT 1, -- raised with whatever nodes keep in memory (storage/changes.py)
  created_at $int NOT NULL
);

-- role: owner of the whole server, or member of the sites that members says. An e-mail is empty for
-- the first owner until it is chosen.
CREATE TABLE users (
  user_id $int NOT NULL PRIMARY KEY,
  email $text NOT NULL UNIQUE,
  name $text NOT NULL DEFAULT '',
  password_hash $text,
  role $text NOT NULL DEFAULT 'member',
  created_at $int NOT NULL,
  disabled_at $int
);

CREATE TABLE members (
  user_id $int NOT NULL,
  site_id $int NOT NULL,
  role $text NOT NULL, -- owner, marketer or viewer
  accepted $int NOT NULL DEFAULT 1, -- 0: invited; the role counts once the link was opened
  PRIMARY KEY (user_id, site_id)
) $clustered;

CREATE TABLE sign_ins (
  hash $bytes NOT NULL PRIMARY KEY,
  user_id $int NOT NULL,
  kind $text NOT NULL, -- link (one use) or cookie
  site_id $int NOT NULL DEFAULT 0, -- of an invitation: the site it is for
  browser $text NOT NULL DEFAULT '', -- in words, for its list
  created_at $int NOT NULL,
  seen_at $int NOT NULL,
  expires_at $int NOT NULL
) $clustered;

CREATE TABLE leases (
  name $text NOT NULL PRIMARY KEY,
  holder $text NOT NULL,
  beat $int NOT NULL
) $clustered;

-- ---------------------------------------------------------------- the log

-- One row a site: raised in the transaction that appends, so that seq has no gap and commit order
-- is seq order. `strings` is the last id given to an interned string. `epoch` rises when interned
-- rows are deleted, so that every node forgets its cache. `decided` lives here, outside the derived
-- tables: a rebuild decides nothing at or below it.
CREATE TABLE heads (
  site_id $int NOT NULL PRIMARY KEY,
  seq $int NOT NULL DEFAULT 0,
  strings $int NOT NULL DEFAULT 0,
  epoch $int NOT NULL DEFAULT 0,
  decided $int NOT NULL DEFAULT 0
);

-- received = at + lag. An erased entry keeps site_id, seq, event_id and kind 0.
CREATE TABLE entries (
  site_id $int NOT NULL,
  seq $int NOT NULL,
  event_id $bytes NOT NULL,
  kind $int NOT NULL,
  at $int,
  lag $int,
  visitor_id $int,
  tab $int,
  q $int,
  url_id $int,
  title_id $int,
  referrer_id $int,
  agent_id $int,
  campaign_id $int,
  place_id $int,
  screen_id $int,
  class $int,
  reason_id $int,
  door $int,
  consent $int,
  flags $int,
  page_view $bytes,
  data $text,
  PRIMARY KEY (site_id, seq)
) $clustered;

CREATE UNIQUE INDEX entries_event ON entries (site_id, event_id);

-- A visitor's id inside the site is the seq of its first entry.
CREATE TABLE visitors (
  site_id $int NOT NULL,
  visitor_id $int NOT NULL,
  key $bytes NOT NULL,
  PRIMARY KEY (site_id, visitor_id)
) $clustered;

CREATE UNIQUE INDEX visitors_key ON visitors (site_id, key);

-- Unique by a 16-byte BLAKE2b of the text: PostgreSQL cannot index long texts.
CREATE TABLE strings (
  site_id $int NOT NULL,
  string_id $int NOT NULL,
  hash $bytes NOT NULL,
  text $text NOT NULL,
  PRIMARY KEY (site_id, string_id)
) $clustered;

CREATE UNIQUE INDEX strings_hash ON strings (site_id, hash);

-- Who was forgotten, as keyed hashes: an event of then that arrives now is forgotten too.
CREATE TABLE tombstones (
  site_id $int NOT NULL,
  hash $bytes NOT NULL,
  erased_at $int NOT NULL,
  PRIMARY KEY (site_id, hash)
) $clustered;

-- ---------------------------------------------------------------- derived, by generation

CREATE TABLE cursors (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  seq $int NOT NULL,
  settings_seq $int NOT NULL DEFAULT 0, -- the settings it was derived under
  seals $int NOT NULL DEFAULT 0, -- how often sessions were sealed: what was read before is void
  ruleset $int NOT NULL DEFAULT 1, -- the version by which every subject is scored at least
  -- The way to a newer one: which, the last subject that was looked at, how many of how many.
  walk_to $int NOT NULL DEFAULT 0,
  walk_kind $int NOT NULL DEFAULT 0,
  walk_id $int NOT NULL DEFAULT 0,
  walk_done $int NOT NULL DEFAULT 0,
  walk_total $int NOT NULL DEFAULT 0,
  PRIMARY KEY (site_id, gen)
) $clustered;

-- Identifiers given on a visitor, one row each. state: 0 active, 1 quarantined, 2 gives nothing
-- (refused, forwarded mail), 3 does not count (late, or no human's). person_id 0: nobody.
CREATE TABLE claims (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  seq $int NOT NULL,
  type $text NOT NULL,
  value $text NOT NULL,
  visitor_id $int NOT NULL,
  at $int NOT NULL,
  level $int NOT NULL,
  state $int NOT NULL,
  person_id $int NOT NULL,
  PRIMARY KEY (site_id, gen, seq, type)
) $clustered;

CREATE INDEX claims_value ON claims (site_id, gen, type, value);
CREATE INDEX claims_person ON claims (site_id, gen, person_id, seq);

-- Decisions and consequences by the claim they name: a person's id is the number of a claim, so
-- they follow the claim wherever it goes. A merge names two claims, and has two rows.
CREATE TABLE person_entries (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  claim $int NOT NULL,
  seq $int NOT NULL,
  kind $int NOT NULL,
  at $int NOT NULL,
  person_id $int NOT NULL,
  PRIMARY KEY (site_id, gen, claim, seq)
) $clustered;

CREATE INDEX person_entries_person ON person_entries (site_id, gen, person_id, at, seq);
-- What moved people, the newest first: set_stage, stage_moved, crossed.
CREATE INDEX person_entries_moves ON person_entries (site_id, gen, at, seq)
  WHERE kind IN (71, 128, 129);
-- Who was made one, the newest first.
CREATE INDEX person_entries_merges ON person_entries (site_id, gen, at, seq) WHERE kind = 66;

-- What somebody decided about whole visitors (kind 0) and single events (kind 1): the last one is in
-- force, the others are kept to be found again. class -1: what accept said.
CREATE TABLE classes (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  kind $int NOT NULL,
  target $int NOT NULL,
  seq $int NOT NULL,
  class $int NOT NULL,
  PRIMARY KEY (site_id, gen, kind, target, seq)
) $clustered;

-- The fact table of reports: every filter dimension is a column. session_id is the lowest seq of
-- its events. person_id 0 = unowned. state: 0 active, 1 quarantined. prev_day = day of the visitor's
-- session before, -1 if first. alone 1: one submission that no visit is known of. sealed 1: its
-- events were thinned, so it is never derived again; 2: likewise, and consent was given in it.
CREATE TABLE sessions (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  session_id $int NOT NULL,
  visitor_id $int NOT NULL,
  person_id $int NOT NULL DEFAULT 0,
  state $int NOT NULL DEFAULT 0,
  start_at $int NOT NULL,
  end_at $int NOT NULL,
  day $int NOT NULL,
  prev_day $int NOT NULL,
  page_views $int NOT NULL,
  events $int NOT NULL,
  engaged_ms $int NOT NULL,
  leads $int NOT NULL DEFAULT 0,
  landing $text NOT NULL DEFAULT '',
  exit_page $text NOT NULL DEFAULT '',
  source $text NOT NULL DEFAULT '',
  medium $text NOT NULL DEFAULT '',
  campaign $text NOT NULL DEFAULT '',
  channel $text NOT NULL DEFAULT '',
  referrer $text NOT NULL DEFAULT '',
  country $text NOT NULL DEFAULT '',
  company $text NOT NULL DEFAULT '',
  device $text NOT NULL DEFAULT '',
  browser $text NOT NULL DEFAULT '',
  os $text NOT NULL DEFAULT '',
  language $text NOT NULL DEFAULT '',
  alone $int NOT NULL DEFAULT 0,
  sealed $int NOT NULL DEFAULT 0,
  PRIMARY KEY (site_id, gen, session_id)
) $clustered;

-- With the day before, whoever came again within a span is found without reading everybody.
CREATE INDEX sessions_day ON sessions (site_id, gen, day, prev_day);
CREATE INDEX sessions_visitor ON sessions (site_id, gen, visitor_id, start_at);
CREATE INDEX sessions_person ON sessions (site_id, gen, person_id, start_at);
-- What retention may seal once it is old.
CREATE INDEX sessions_open ON sessions (site_id, gen, day, session_id)
  WHERE sealed = 0 AND person_id = 0;

-- A visitor's events in the order of rules: (at, q, seq). session_id 0 = in no session (late, no
-- human's). Every event of a visitor has a row, so that it can be classified anew, or forgotten.
-- ms and scroll: the maxima of the page view's engagement.
CREATE TABLE session_events (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  visitor_id $int NOT NULL,
  at $int NOT NULL,
  q $int NOT NULL,
  seq $int NOT NULL,
  session_id $int NOT NULL,
  kind $int NOT NULL,
  ms $int NOT NULL DEFAULT 0,
  scroll $int NOT NULL DEFAULT 0,
  PRIMARY KEY (site_id, gen, visitor_id, at, q, seq)
) $clustered;

-- What is in no session and may be thinned: kinds that are neither claims nor consent.
CREATE INDEX session_events_loose ON session_events (site_id, gen, session_id, at)
  WHERE session_id <= 0 AND kind IN (1, 2, 3, 4, 5, 9, 11);

-- kind 0: the unowned sessions of a visitor; kind 1: a person. Points are milli-points.
CREATE TABLE subjects (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  kind $int NOT NULL,
  subject_id $int NOT NULL,
  score $int NOT NULL DEFAULT 0,
  fit $int NOT NULL DEFAULT 0,
  engagement $int NOT NULL DEFAULT 0,
  grade $text NOT NULL DEFAULT '',
  score_day $int NOT NULL DEFAULT 0,
  next_change_day $int NOT NULL DEFAULT 0, -- 0: never
  ruleset $int NOT NULL DEFAULT 0,
  stage $int NOT NULL DEFAULT 0,
  first_seen $int NOT NULL,
  last_seen $int NOT NULL,
  sessions $int NOT NULL DEFAULT 0,
  page_views $int NOT NULL DEFAULT 0,
  source $text NOT NULL DEFAULT '',
  medium $text NOT NULL DEFAULT '',
  campaign $text NOT NULL DEFAULT '',
  channel $text NOT NULL DEFAULT '',
  lead_source $text NOT NULL DEFAULT '',
  lead_channel $text NOT NULL DEFAULT '',
  last_source $text NOT NULL DEFAULT '',
  last_channel $text NOT NULL DEFAULT '',
  country $text NOT NULL DEFAULT '',
  company $text NOT NULL DEFAULT '',
  signals $text NOT NULL DEFAULT '', -- rule keys in force, most points first, a space between
  PRIMARY KEY (site_id, gen, kind, subject_id)
) $clustered;

CREATE INDEX subjects_score ON subjects (site_id, gen, kind, score, subject_id);
CREATE INDEX subjects_seen ON subjects (site_id, gen, kind, last_seen, subject_id);
CREATE INDEX subjects_due ON subjects (site_id, gen, next_change_day);

-- standing: JSON of the stage machine (armed thresholds with their numbers, what made it MQL).
CREATE TABLE persons (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  person_id $int NOT NULL,
  email $text NOT NULL DEFAULT '',
  name $text NOT NULL DEFAULT '',
  company $text NOT NULL DEFAULT '',
  company_domain $text NOT NULL DEFAULT '',
  level $int NOT NULL,
  created_at $int NOT NULL,
  owner $text NOT NULL DEFAULT '',
  do_not_contact $int NOT NULL DEFAULT 0,
  tags $text NOT NULL DEFAULT '', -- sorted, a line each
  standing $text NOT NULL DEFAULT '',
  PRIMARY KEY (site_id, gen, person_id)
) $clustered;

CREATE INDEX persons_email ON persons (site_id, gen, email, person_id);

-- Lower-cased prefixes to search by: the e-mail, each word of the name, the company's domain.
CREATE TABLE person_words (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  word $text NOT NULL,
  person_id $int NOT NULL,
  PRIMARY KEY (site_id, gen, word, person_id)
) $clustered;

-- Whoever is new, or another by now, has the words of this number taken away first.
CREATE INDEX person_words_person ON person_words (site_id, gen, person_id);

CREATE TABLE identifiers (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  type $text NOT NULL,
  value $text NOT NULL,
  person_id $int NOT NULL,
  level $int NOT NULL,
  at $int NOT NULL,
  seq $int NOT NULL,
  PRIMARY KEY (site_id, gen, type, value)
) $clustered;

CREATE INDEX identifiers_person ON identifiers (site_id, gen, person_id);

-- An interval of a visitor's sessions. state: 0 active, 1 quarantined, 2 ended.
CREATE TABLE links (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  person_id $int NOT NULL,
  visitor_id $int NOT NULL,
  evidence $int NOT NULL, -- seq of the claim
  from_at $int NOT NULL,
  to_at $int NOT NULL, -- 0: open
  level $int NOT NULL,
  state $int NOT NULL,
  reason $text NOT NULL,
  PRIMARY KEY (site_id, gen, visitor_id, evidence, person_id)
) $clustered;

CREATE INDEX links_person ON links (site_id, gen, person_id);

CREATE TABLE traits (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  person_id $int NOT NULL,
  name $text NOT NULL,
  seq $int NOT NULL,
  value $text NOT NULL, -- JSON
  type $text NOT NULL,
  level $int NOT NULL,
  at $int NOT NULL,
  PRIMARY KEY (site_id, gen, person_id, name, seq)
) $clustered;

-- A rule met in a session; what it is worth to its subject is a contribution.
-- pending 1: counts from `at` on, which may lie in the future ("form started and left").
CREATE TABLE signals (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  session_id $int NOT NULL,
  rule $text NOT NULL,
  seq $int NOT NULL,
  key $text NOT NULL,
  at $int NOT NULL,
  pending $int NOT NULL DEFAULT 0,
  PRIMARY KEY (site_id, gen, session_id, rule, seq, key)
) $clustered;

CREATE INDEX signals_at ON signals (site_id, gen, at, session_id);

-- The receipt of a subject, line by line, as of subjects.score_day. Adds up exactly to the score.
CREATE TABLE contributions (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  kind $int NOT NULL,
  subject_id $int NOT NULL,
  line $int NOT NULL,
  rule $text NOT NULL,
  axis $text NOT NULL,
  points $int NOT NULL,
  base $int NOT NULL,
  factor $int NOT NULL,
  at $int NOT NULL,
  seq $int NOT NULL,
  expires $int, -- UTC day
  times $int NOT NULL DEFAULT 1, -- more than 1: the sum of so many earlier ones of the rule
  PRIMARY KEY (site_id, gen, kind, subject_id, line)
) $clustered;

-- A person's moves. seq is the entry that says so, at when what caused it happened.
CREATE TABLE stages (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  person_id $int NOT NULL,
  seq $int NOT NULL,
  stage_from $int NOT NULL,
  stage_to $int NOT NULL,
  at $int NOT NULL,
  cause $text NOT NULL,
  PRIMARY KEY (site_id, gen, person_id, seq, stage_to)
) $clustered;

CREATE INDEX stages_at ON stages (site_id, gen, stage_to, at);

CREATE TABLE companies (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  domain $text NOT NULL,
  name $text NOT NULL DEFAULT '',
  persons $int NOT NULL DEFAULT 0,
  first_seen $int NOT NULL,
  last_seen $int NOT NULL,
  PRIMARY KEY (site_id, gen, domain)
) $clustered;

CREATE TABLE conflicts (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  seq $int NOT NULL,
  kind $text NOT NULL,
  person_id $int NOT NULL,
  other_id $int NOT NULL,
  state $int NOT NULL DEFAULT 0,
  at $int NOT NULL,
  evidence $text NOT NULL,
  PRIMARY KEY (site_id, gen, seq, kind, other_id)
) $clustered;

CREATE INDEX conflicts_open ON conflicts (site_id, gen, state, at, seq);
CREATE INDEX conflicts_person ON conflicts (site_id, gen, person_id);

-- Changed by -old +new, never by recount. Day in the site's zone.
CREATE TABLE rollups (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  name $text NOT NULL,
  day $int NOT NULL,
  key $text NOT NULL,
  value $int NOT NULL,
  PRIMARY KEY (site_id, gen, name, day, key)
) $clustered;

-- The columns of a day that is over, for filtered figures (reports/days.py), and which columns those
-- are (layout). Empty: whoever drew the number `packer` is about to pack it. Whatever is written of
-- the day takes the row away.
CREATE TABLE packed_days (
  site_id $int NOT NULL,
  gen $int NOT NULL,
  day $int NOT NULL,
  layout $int NOT NULL,
  packer $int NOT NULL,
  pack $bytes NOT NULL,
  PRIMARY KEY (site_id, gen, day)
);

-- ---------------------------------------------------------------- operational

CREATE TABLE tokens (
  site_id $int NOT NULL,
  token_id $int NOT NULL,
  hash $bytes NOT NULL,
  prefix $text NOT NULL,
  scope $text NOT NULL,
  name $text NOT NULL DEFAULT '',
  author $text NOT NULL DEFAULT '',
  created_at $int NOT NULL,
  used_at $int,
  revoked_at $int,
  PRIMARY KEY (site_id, token_id)
) $clustered;

CREATE UNIQUE INDEX tokens_hash ON tokens (site_id, hash);

-- A named filter of people, as canonical JSON. One that was dropped keeps its number and nothing else,
-- so that an old link leads to no other.
CREATE TABLE segments (
  site_id $int NOT NULL,
  segment_id $int NOT NULL,
  name $text NOT NULL,
  filter $text NOT NULL,
  author $text NOT NULL,
  created_at $int NOT NULL,
  changed_at $int NOT NULL,
  dropped_at $int,
  PRIMARY KEY (site_id, segment_id)
) $clustered;

-- Version 0 is the draft, `base` the version it was begun from. The others were published, each by
-- the entry `seq`; sites.ruleset names the one in force.
CREATE TABLE rulesets (
  site_id $int NOT NULL,
  version $int NOT NULL,
  base $int NOT NULL DEFAULT 0,
  document $text NOT NULL,
  author $text NOT NULL DEFAULT '',
  note $text NOT NULL DEFAULT '',
  at $int NOT NULL,
  seq $int NOT NULL DEFAULT 0,
  notify $int NOT NULL DEFAULT 0,
  PRIMARY KEY (site_id, version)
) $clustered;

-- Everything up to entry `cursor` was told once, or is nothing to tell. A deleted one keeps its
-- number, so that nothing on its way reaches another.
CREATE TABLE destinations (
  site_id $int NOT NULL,
  destination_id $int NOT NULL,
  kind $text NOT NULL,
  settings $text NOT NULL,
  cursor $int NOT NULL,
  revision $int NOT NULL DEFAULT 1,
  disabled_at $int,
  reason $text NOT NULL DEFAULT '',
  deleted_at $int,
  created_at $int NOT NULL,
  PRIMARY KEY (site_id, destination_id)
) $clustered;

-- What became of telling an entry: waiting, delivered, dead (given up), dropped. No word of a
-- person. `tries` is JSON of the attempts.
CREATE TABLE deliveries (
  site_id $int NOT NULL,
  destination_id $int NOT NULL,
  seq $int NOT NULL,
  state $text NOT NULL,
  attempts $int NOT NULL,
  next_at $int NOT NULL,
  words $text NOT NULL DEFAULT '',
  tries $text NOT NULL DEFAULT '',
  PRIMARY KEY (site_id, destination_id, seq)
) $clustered;

CREATE INDEX deliveries_due ON deliveries (site_id, destination_id, next_at)
  WHERE state = 'waiting';

-- Every refused event, by reason and hour; samples hold no identifier and no address.
CREATE TABLE refusals (
  site_id $int NOT NULL,
  reason $text NOT NULL,
  hour $int NOT NULL,
  count $int NOT NULL,
  PRIMARY KEY (site_id, reason, hour)
) $clustered;

CREATE TABLE refused_samples (
  site_id $int NOT NULL,
  reason $text NOT NULL,
  slot $int NOT NULL,
  at $int NOT NULL,
  sample $text NOT NULL,
  PRIMARY KEY (site_id, reason, slot)
) $clustered;

-- Work that must be finished once it was asked for, whatever happens meanwhile.
CREATE TABLE erasures (
  site_id $int NOT NULL,
  erasure_id $int NOT NULL,
  subject $text NOT NULL, -- p57 or v12
  author $text NOT NULL,
  asked_at $int NOT NULL,
  done_at $int,
  receipt $text NOT NULL DEFAULT '',
  PRIMARY KEY (site_id, erasure_id)
) $clustered;

CREATE TABLE audit (
  site_id $int NOT NULL,
  audit_id $int NOT NULL,
  at $int NOT NULL,
  author $text NOT NULL,
  action $text NOT NULL,
  detail $text NOT NULL,
  PRIMARY KEY (site_id, audit_id)
) $clustered;
