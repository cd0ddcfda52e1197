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
];
