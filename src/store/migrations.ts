/** The store's schema, step by step; a step that has been released is never changed. */
export const migrations: readonly string[] = [
  `
  -- The latest canonical record per collection and key.
  CREATE TABLE mirror (
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    entity jsonb NOT NULL,
    issues jsonb NOT NULL,
    clues jsonb NOT NULL,
    fetched_at_ms bigint NOT NULL,
    PRIMARY KEY (collection, key)
  );
  -- How far each collection has been read; absent means never to its end.
  CREATE TABLE fill (
    collection text PRIMARY KEY,
    completed_at_ms bigint NOT NULL,
    records integer NOT NULL
  );
  CREATE TABLE customer (
    id text COLLATE "C" PRIMARY KEY,
    country text,
    status text,
    created_at text
  );
  CREATE TABLE member (
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (collection, key)
  );
  CREATE INDEX member_customer ON member (customer_id);
  CREATE INDEX member_key ON member (key);
  -- Explicit keys and mailboxes by which a customer can be found.
  CREATE TABLE clue (
    space text NOT NULL,
    value text COLLATE "C" NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (value, space, customer_id)
  );
  -- Canonical ids that a merge retired.
  CREATE TABLE redirect (
    retired_id text COLLATE "C" PRIMARY KEY,
    customer_id text COLLATE "C" NOT NULL
  );
  `,
  `
  -- The fields that a collection's records had when it was last read to its end.
  CREATE TABLE field_shape (
    collection text PRIMARY KEY,
    fields jsonb NOT NULL
  );
  `,
  `
  -- One row: which customer index this is, so that processes that share it know when what they remember is old.
  CREATE TABLE customer_index (
    version bigint NOT NULL,
    -- Whether a collection was read to its end since.
    is_behind boolean NOT NULL
  );
  INSERT INTO customer_index VALUES (0, true);
  `,
  `
  -- What sources have sent, by webhook or stream: kept until it has been processed, and after that as long as it may come again.
  CREATE TABLE inbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    -- By which the same event is known when it comes again.
    identity text COLLATE "C" NOT NULL,
    -- webhook, or the name of a stream.
    channel text NOT NULL,
    type text NOT NULL,
    -- The object that it is about; without one it waits for nobody.
    collection text COLLATE "C",
    key text COLLATE "C",
    is_deletion boolean NOT NULL,
    occurred_at_ms bigint,
    received_at_ms bigint NOT NULL,
    deliveries integer NOT NULL,
    body text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'done', 'dead', 'discarded')),
    attempts integer NOT NULL DEFAULT 0,
    due_at_ms bigint NOT NULL,
    -- What came of it, or why it failed the last time.
    outcome text,
    settled_at_ms bigint,
    UNIQUE (source, identity)
  );
  CREATE INDEX inbox_waiting ON inbox (collection, key, due_at_ms) WHERE state = 'waiting';
  CREATE INDEX inbox_due ON inbox (source, due_at_ms) WHERE state = 'waiting';
  CREATE INDEX inbox_state ON inbox (state, id);
  CREATE INDEX inbox_settled ON inbox (settled_at_ms) WHERE settled_at_ms IS NOT NULL;
  -- The objects that a worker has for itself.
  CREATE TABLE inbox_lease (
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    holder text NOT NULL,
    until_ms bigint NOT NULL,
    PRIMARY KEY (collection, key)
  );
  -- How far each stream has been read; what came before it is in the inbox.
  CREATE TABLE stream_position (
    stream text PRIMARY KEY,
    position text NOT NULL,
    saved_at_ms bigint NOT NULL
  );
  `,
  `
  -- Records that were removed not long ago: an older reading does not bring them back.
  CREATE TABLE mirror_gone (
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (collection, key)
  );
  CREATE INDEX mirror_gone_at ON mirror_gone (at_ms);
  `,
  `
  -- Records that a reading of a source found to be others than we knew.
  CREATE TABLE intake_found (
    source text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (collection, key, at_ms)
  );
  CREATE INDEX inbox_object ON inbox (collection, key, received_at_ms);
  -- How complete events were, by source and day.
  CREATE TABLE intake_day (
    source text COLLATE "C" NOT NULL,
    day text NOT NULL,
    delivered integer NOT NULL,
    duplicated integer NOT NULL,
    late integer NOT NULL,
    out_of_order integer NOT NULL,
    missed integer NOT NULL,
    PRIMARY KEY (source, day)
  );
  CREATE TABLE reconciliation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    started_at_ms bigint NOT NULL,
    ended_at_ms bigint NOT NULL,
    is_full boolean NOT NULL,
    records integer NOT NULL,
    found integer NOT NULL,
    problem text
  );
  -- How far each collection's changes have been read, and when everything was.
  CREATE TABLE reconciled (
    collection text COLLATE "C" PRIMARY KEY,
    watermark_ms bigint NOT NULL,
    full_at_ms bigint NOT NULL
  );
  `,
  `
  -- What of a stream was missed for good, until its source was read for it.
  CREATE TABLE stream_gap (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text NOT NULL,
    from_ms bigint NOT NULL,
    at_ms bigint NOT NULL,
    reason text NOT NULL,
    closed_at_ms bigint
  );
  `,
  `
  -- From when on what a source has of a collection is in the mirror; what changed later may be too.
  ALTER TABLE fill ADD COLUMN as_of_ms bigint;
  UPDATE fill SET as_of_ms = completed_at_ms;
  ALTER TABLE fill ALTER COLUMN as_of_ms SET NOT NULL;
  -- The source's own mark of when the record was last changed, when the event happened that told of it last, and the answer that it was read from.
  ALTER TABLE mirror ADD COLUMN version_ms bigint;
  ALTER TABLE mirror ADD COLUMN event_at_ms bigint;
  ALTER TABLE mirror ADD COLUMN raw text;
  -- Records by the one that they belong to.
  CREATE INDEX mirror_owner ON mirror (collection, (entity->>'customer'));
  `,
];
