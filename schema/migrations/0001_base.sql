-- The embedded store. Addresses are canonical text, uuids 16 bytes, timestamps Unix milliseconds, dates YYYY-MM-DD, maps JSON.

-- 1. rows: columns and keys as in schema/tables.py ---------------------------------------------------------------------

CREATE TABLE flows (
  destination_ip   TEXT NOT NULL,     -- the responder (who was called)
  bucket           TEXT NOT NULL,     -- UTC: 2026-11-20 | 2026-11-20T13 | 2026-11-20T13:20
  ts               INTEGER NOT NULL,  -- first packet of the row
  ns               INTEGER NOT NULL,  -- 0..999999, the rest of the nanoseconds
  capture_id       BLOB NOT NULL,
  frame            INTEGER NOT NULL,  -- of that first packet: (capture_id, frame) is unique
  source_ip        TEXT,              -- the initiator
  source_port      INTEGER,
  destination_port INTEGER,
  protocol         INTEGER,
  sensor           TEXT,
  endpoint         TEXT,              -- what the counters counted it for: decided at commit, never changed
  flow_id          BLOB,
  chain_age_ns     INTEGER,           -- from the first packet of the flow's chain of rows to this row's
  initiator        TEXT,
  duration_us      INTEGER,
  packets          INTEGER,
  bytes            INTEGER,
  packets_rev      INTEGER,
  bytes_rev        INTEGER,
  tcp_flags        INTEGER,
  end_reason       TEXT,
  hostname         TEXT,
  name_evidence    TEXT,
  name_conflict    INTEGER,           -- the flow names itself as DNS did not
  alpn             TEXT,              -- what its ClientHello offers, joined by commas
  PRIMARY KEY (destination_ip, bucket, ts DESC, ns DESC, capture_id, frame)
) STRICT, WITHOUT ROWID;

CREATE INDEX flows_by_source ON flows (source_ip, ts DESC);  -- whom did this client call, newest first

CREATE TABLE packets (
  destination_ip   TEXT NOT NULL,
  bucket           TEXT NOT NULL,
  ts               INTEGER NOT NULL,
  ns               INTEGER NOT NULL,
  capture_id       BLOB NOT NULL,
  frame            INTEGER NOT NULL,
  source_ip        TEXT,
  source_port      INTEGER,
  destination_port INTEGER,
  protocol         INTEGER,
  length           INTEGER,
  tcp_flags        INTEGER,
  PRIMARY KEY (destination_ip, bucket, ts DESC, ns DESC, capture_id, frame)
) STRICT, WITHOUT ROWID;

CREATE TABLE traffic_by_minute (
  destination_ip TEXT NOT NULL,
  bucket         TEXT NOT NULL,       -- a UTC day (2026-11-20); of hot addresses shorter: docs/decisions/0023
  minute         INTEGER NOT NULL,
  sensor         TEXT NOT NULL,
  endpoint       TEXT NOT NULL,
  capture_id     BLOB NOT NULL,       -- each capture owns its own part of the minute
  flows          INTEGER,
  packets        INTEGER,
  bytes          INTEGER,
  packets_rev    INTEGER,
  bytes_rev      INTEGER,
  PRIMARY KEY (destination_ip, bucket, minute DESC, sensor, endpoint, capture_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE dns_answers (
  qname       TEXT NOT NULL,
  bucket      TEXT NOT NULL,
  ts          INTEGER NOT NULL,
  ns          INTEGER NOT NULL,
  capture_id  BLOB NOT NULL,
  frame       INTEGER NOT NULL,
  rr_index    INTEGER NOT NULL,       -- -1: a response without records
  client_ip   TEXT,
  client_port INTEGER,
  resolver_ip TEXT,
  transport   TEXT,
  kind        TEXT,
  txid        INTEGER,
  qtype       INTEGER,
  sensor      TEXT,
  section     TEXT,
  rr_type     TEXT,
  rr_name     TEXT,
  address     TEXT,
  rdata       TEXT,
  rr_ttl      INTEGER,
  rcode       INTEGER,                -- absent: nobody answered
  latency_us  INTEGER,
  PRIMARY KEY (qname, bucket, ts DESC, ns DESC, capture_id, frame, rr_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE names_by_client (
  sensor     TEXT NOT NULL,
  client_ip  TEXT NOT NULL,
  share      INTEGER NOT NULL,        -- 0: all of it; of hot clients 1..256, by address: docs/decisions/0023
  address    TEXT NOT NULL,
  valid_from INTEGER NOT NULL,
  ns         INTEGER NOT NULL,        -- 0..999999, the rest of the nanoseconds of both times
  hostname   TEXT NOT NULL,           -- the name asked for, not the end of the CNAME chain
  capture_id BLOB NOT NULL,
  valid_to   INTEGER,
  asked      INTEGER,                 -- its query was seen
  frame      INTEGER,                 -- the very answer
  seq        INTEGER,                 -- the ledger version it came with: an attempt at version v reads seq <= v only
  PRIMARY KEY (sensor, client_ip, share, address, valid_from DESC, ns DESC, hostname, capture_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE names_by_address (
  sensor     TEXT NOT NULL,
  address    TEXT NOT NULL,
  share      INTEGER NOT NULL,        -- 0: all of it; of hot addresses 1..16, by second
  valid_from INTEGER NOT NULL,
  ns         INTEGER NOT NULL,
  hostname   TEXT NOT NULL,
  client_ip  TEXT NOT NULL,
  capture_id BLOB NOT NULL,
  valid_to   INTEGER,
  asked      INTEGER,
  frame      INTEGER,
  seq        INTEGER,
  PRIMARY KEY (sensor, address, share, valid_from DESC, ns DESC, hostname, client_ip, capture_id)
) STRICT, WITHOUT ROWID;

-- Dictionary rows that many captures bring. loaded_at is not a column of the table as users read it: it says when the
-- newest of those captures was claimed, and the row's lifetime counts from there.

CREATE TABLE flow_buckets (
  destination_ip TEXT NOT NULL,
  day            TEXT NOT NULL,
  bucket         TEXT NOT NULL,
  loaded_at      INTEGER NOT NULL,
  PRIMARY KEY (destination_ip, day DESC, bucket DESC)
) STRICT, WITHOUT ROWID;

CREATE TABLE answer_buckets (
  qname     TEXT NOT NULL,
  day       TEXT NOT NULL,
  bucket    TEXT NOT NULL,
  loaded_at INTEGER NOT NULL,
  PRIMARY KEY (qname, day DESC, bucket DESC)
) STRICT, WITHOUT ROWID;

CREATE TABLE names_by_ip (
  ip         TEXT NOT NULL,
  hostname   TEXT NOT NULL,
  sensor     TEXT NOT NULL,
  evidence   TEXT,
  first_seen INTEGER,                 -- packet times; the least and the greatest of all the sensor's captures
  last_seen  INTEGER,
  loaded_at  INTEGER NOT NULL,
  PRIMARY KEY (ip, hostname, sensor)
) STRICT, WITHOUT ROWID;

CREATE TABLE ips_by_name (
  hostname   TEXT NOT NULL,
  ip         TEXT NOT NULL,
  sensor     TEXT NOT NULL,
  evidence   TEXT,
  first_seen INTEGER,
  last_seen  INTEGER,
  loaded_at  INTEGER NOT NULL,
  PRIMARY KEY (hostname, ip, sensor)
) STRICT, WITHOUT ROWID;

CREATE TABLE names_by_domain (
  domain     TEXT NOT NULL,           -- registered, by the list of public suffixes: example.co.uk
  hostname   TEXT NOT NULL,
  sensor     TEXT NOT NULL,
  evidence   TEXT,
  first_seen INTEGER,
  last_seen  INTEGER,
  loaded_at  INTEGER NOT NULL,
  PRIMARY KEY (domain, hostname, sensor)
) STRICT, WITHOUT ROWID;

CREATE INDEX flow_buckets_by_load ON flow_buckets (loaded_at);
CREATE INDEX answer_buckets_by_load ON answer_buckets (loaded_at);
CREATE INDEX names_by_ip_by_load ON names_by_ip (loaded_at);
CREATE INDEX ips_by_name_by_load ON ips_by_name (loaded_at);
CREATE INDEX names_by_domain_by_load ON names_by_domain (loaded_at);

-- 2. the ledger: what counts --------------------------------------------------------------------------------------------

CREATE TABLE sensors (
  sensor     TEXT NOT NULL PRIMARY KEY,
  network    TEXT NOT NULL,           -- fixed when first seen
  segment    INTEGER NOT NULL,        -- the ledger's current one
  first_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
  sensor           TEXT NOT NULL PRIMARY KEY,
  segment          INTEGER NOT NULL,
  first_segment    INTEGER NOT NULL,     -- the oldest whose commits are kept
  version          INTEGER NOT NULL,     -- seq of the newest step: a commit, or the seal that began the segment
  nonce            BLOB NOT NULL,        -- of that step
  epoch            INTEGER NOT NULL,     -- the lease: taking over is epoch + 1, so a loader that slept is refused
  owner            TEXT NOT NULL,        -- host:pid:random; '' when nobody holds it
  lease_until      INTEGER NOT NULL,
  state_version    INTEGER NOT NULL,     -- seq of the commit that the carried state came with; 0: nothing is carried
  state_nonce      BLOB NOT NULL,
  loaded_at        INTEGER NOT NULL,     -- of the newest commit; 0: never
  opened_seq       INTEGER NOT NULL,     -- of the seal that began the segment; 0: there was none
  opened_endpoints INTEGER NOT NULL,     -- that the segment began with
  endpoints        INTEGER NOT NULL      -- that have a total now
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_endpoints (       -- running totals of the segment that the ledger stands at; others are made, or on their way out
  sensor      TEXT NOT NULL,
  segment     INTEGER NOT NULL,
  endpoint    TEXT NOT NULL,
  flows       INTEGER NOT NULL,
  packets     INTEGER NOT NULL,
  bytes       INTEGER NOT NULL,
  packets_rev INTEGER NOT NULL,
  bytes_rev   INTEGER NOT NULL,
  at_seq      INTEGER NOT NULL,       -- the step that last changed it
  PRIMARY KEY (sensor, segment, endpoint)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_totals (          -- running totals by reason, by table
  sensor  TEXT NOT NULL,
  name    TEXT NOT NULL,
  value   INTEGER NOT NULL,
  at_seq  INTEGER NOT NULL,
  PRIMARY KEY (sensor, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_commits (         -- of the segments that are kept
  sensor        TEXT NOT NULL,
  seq           INTEGER NOT NULL,     -- the version it made
  segment       INTEGER NOT NULL,
  capture_id    BLOB NOT NULL UNIQUE, -- never twice
  nonce         BLOB NOT NULL,
  previous      BLOB NOT NULL,        -- nonce of the step before it
  frames        INTEGER NOT NULL,
  flows         INTEGER NOT NULL,
  packets       INTEGER NOT NULL,     -- both directions
  bytes         INTEGER NOT NULL,
  rows          TEXT NOT NULL,        -- by table
  non_flow      TEXT NOT NULL,        -- packets in no flow row, by reason
  state_version INTEGER NOT NULL,
  state_nonce   BLOB NOT NULL,
  loaded_at     INTEGER NOT NULL,
  PRIMARY KEY (sensor, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE commit_deltas (          -- what each endpoint and total gained by each commit
  sensor  TEXT NOT NULL,
  seq     INTEGER NOT NULL,
  deltas  BLOB NOT NULL,
  PRIMARY KEY (sensor, seq)
) STRICT;

CREATE TABLE ledger_seals (           -- the steps that began the newest segments; segment 0 has none
  sensor   TEXT NOT NULL,
  seq      INTEGER NOT NULL,
  segment  INTEGER NOT NULL,          -- that it opened
  nonce    BLOB NOT NULL,
  previous BLOB NOT NULL,             -- nonce of the step before it
  PRIMARY KEY (sensor, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_openings (        -- totals at a seal
  sensor  TEXT NOT NULL,
  seq     INTEGER NOT NULL,           -- of the seal
  folded  INTEGER NOT NULL,           -- 0: what the segment began with; 1: what was folded
  part    INTEGER NOT NULL,
  data    BLOB NOT NULL,
  PRIMARY KEY (sensor, seq, folded, part)
) STRICT;

-- 3. captures: the claim, and what became of each content ----------------------------------------------------------------

CREATE TABLE captures (
  capture_id     BLOB NOT NULL PRIMARY KEY,
  sensor         TEXT NOT NULL,
  epoch          INTEGER NOT NULL,
  inputs         TEXT NOT NULL,       -- what the rows depend on besides the bytes
  segment        INTEGER,             -- where it was committed
  seq            INTEGER,
  nonce          BLOB,
  file_name      TEXT NOT NULL,
  file_id        TEXT NOT NULL,       -- device:inode, '' where there is none
  size_bytes     INTEGER NOT NULL,
  content_bytes  INTEGER NOT NULL,
  consumed_bytes INTEGER NOT NULL,
  link_types     TEXT NOT NULL,
  frames         INTEGER NOT NULL,
  kernel_drops   INTEGER,
  first_ts_ns    INTEGER NOT NULL,
  last_ts_ns     INTEGER NOT NULL,
  state          TEXT NOT NULL,       -- claimed | loaded | quarantined | dismissed
  reason         TEXT NOT NULL,
  detail         TEXT NOT NULL,
  started_at     INTEGER NOT NULL,
  finished_at    INTEGER NOT NULL     -- 0: not yet
) STRICT, WITHOUT ROWID;

CREATE TABLE captures_by_origin (     -- what leads to a capture again: a file (device:inode), a whole content (content:HEX)
  origin     TEXT NOT NULL,
  noted_at   INTEGER NOT NULL,
  capture_id BLOB NOT NULL,
  PRIMARY KEY (origin, noted_at DESC, capture_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX captures_by_state ON captures (state, sensor);

CREATE TABLE manifests (              -- partitions that an attempt touches and the rows in each; of some, what it went on from; in chunks
  capture_id BLOB NOT NULL,
  part       INTEGER NOT NULL,
  data       BLOB NOT NULL,
  PRIMARY KEY (capture_id, part)
) STRICT;

CREATE TABLE own_rows (               -- where a capture's rows are in each table, until they have expired
  capture_id BLOB NOT NULL,
  table_name TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  first_time INTEGER NOT NULL,        -- of its rows, by the time that the table is ordered by: partitions hold many captures
  last_time  INTEGER NOT NULL,
  expired    INTEGER NOT NULL,        -- parts of the manifest whose rows are deleted
  PRIMARY KEY (capture_id, table_name)
) STRICT, WITHOUT ROWID;

CREATE INDEX own_rows_by_expiry ON own_rows (expires_at);

-- 4. what is carried to the next capture, and the exporter's own tables ----------------------------------------------------

CREATE TABLE carried_state (
  sensor  TEXT NOT NULL,
  version INTEGER NOT NULL,
  nonce   BLOB NOT NULL,
  data    BLOB NOT NULL,
  PRIMARY KEY (sensor, version, nonce)
) STRICT;

CREATE TABLE admission_books (
  network    TEXT NOT NULL PRIMARY KEY,
  version    INTEGER NOT NULL,
  positions  TEXT NOT NULL,           -- by sensor: the ledger position (segment:seq:nonce) up to which anything was ever shown
  high_water BLOB NOT NULL            -- what counters show at least, while commits that were shown are lost
) STRICT, WITHOUT ROWID;

CREATE TABLE admissions (
  network  TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  admitted INTEGER NOT NULL,
  base     TEXT NOT NULL,             -- by counter: the endpoint's total when its series began, or went on, less what was folded since
  shown    TEXT NOT NULL,             -- by counter: what the series last showed when it was evicted
  since    INTEGER NOT NULL,          -- of the newest commit when the series began (Unix ms); 0: it began with its network
  PRIMARY KEY (network, endpoint)
) STRICT, WITHOUT ROWID;

CREATE TABLE bucket_policy (
  version     INTEGER NOT NULL PRIMARY KEY, -- the n-th row is version n, rows are only added
  scope       TEXT NOT NULL,                -- flows | dns
  subject     TEXT NOT NULL,                -- an address, or a name
  valid_from  INTEGER NOT NULL,             -- packet time
  granularity TEXT NOT NULL                 -- day | hour | 10min | min
) STRICT;

CREATE TABLE store_notes (              -- what the store says of itself
  name  TEXT NOT NULL PRIMARY KEY,        -- copying | moved
  value TEXT NOT NULL                     -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE schema_history (
  name       TEXT NOT NULL,
  version    INTEGER NOT NULL PRIMARY KEY,
  applied_at INTEGER NOT NULL,
  checksum   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
