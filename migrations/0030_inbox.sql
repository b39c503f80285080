-- What: transactions of other servers, and what came in them and waits to be worked off.
-- Why:  what was acknowledged to another server survives a crash; a transaction that is repeated gets the answer that it got.
-- Cost: none. Old processes may run beside it: they take no transactions.

CREATE TABLE inbox_transactions (
	origin text NOT NULL,
	txn_id text NOT NULL,
	answer text NOT NULL,
	received_at_ms bigint NOT NULL,
	CONSTRAINT inbox_transactions_pkey PRIMARY KEY (origin, txn_id)
);
CREATE INDEX inbox_transactions_received_idx ON inbox_transactions (received_at_ms);
COMMENT ON TABLE inbox_transactions IS 'Transactions of other servers, for a day';
COMMENT ON COLUMN inbox_transactions.origin IS 'server that sent it';
COMMENT ON COLUMN inbox_transactions.txn_id IS 'as the server calls it';
COMMENT ON COLUMN inbox_transactions.answer IS 'JSON object that it got';
COMMENT ON COLUMN inbox_transactions.received_at_ms IS 'when';

CREATE TABLE inbox (
	item_nid bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
	queue text NOT NULL,
	origin text NOT NULL,
	event_id text NOT NULL,
	body text NOT NULL,
	received_at_ms bigint NOT NULL,
	due_at_ms bigint NOT NULL,
	attempts bigint NOT NULL DEFAULT 0,
	CONSTRAINT inbox_pkey PRIMARY KEY (item_nid)
);
CREATE UNIQUE INDEX inbox_event_key ON inbox (queue, event_id, origin) WHERE event_id <> '';
CREATE INDEX inbox_queue_idx ON inbox (queue, item_nid);
CREATE INDEX inbox_origin_idx ON inbox (origin);
CREATE INDEX inbox_due_idx ON inbox (due_at_ms);
COMMENT ON TABLE inbox IS 'PDUs and EDUs of other servers that wait to be worked off';
COMMENT ON COLUMN inbox.item_nid IS 'number; the order within a queue';
COMMENT ON COLUMN inbox.queue IS 'room id of a PDU; of an EDU the server that sent it';
COMMENT ON COLUMN inbox.origin IS 'server that sent it';
COMMENT ON COLUMN inbox.event_id IS 'of a PDU; empty: an EDU';
COMMENT ON COLUMN inbox.body IS 'JSON: the PDU as canonical JSON without unsigned; of an EDU type and content';
COMMENT ON COLUMN inbox.received_at_ms IS 'when it came';
COMMENT ON COLUMN inbox.due_at_ms IS 'not looked at before this';
COMMENT ON COLUMN inbox.attempts IS 'that failed';
