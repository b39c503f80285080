-- What: what application services are to be told, and the one transaction of each that is under way.
-- Why:  nothing that a service has to hear of is lost while it, or this server, is down; a transaction that is sent again is the same to the byte.
-- Cost: builds indexes over messages to devices that wait and over memberships of local users. Old processes may run beside it: they tell no service of anything.

CREATE TABLE appservice_deliveries (
	appservice_id text NOT NULL,
	since_position bigint NOT NULL,
	txn_id text,
	body text,
	failures bigint NOT NULL DEFAULT 0,
	interval_ms bigint NOT NULL DEFAULT 0,
	retry_at_ms bigint NOT NULL DEFAULT 0,
	failing_since_ms bigint NOT NULL DEFAULT 0,
	reached_at_ms bigint NOT NULL DEFAULT 0,
	cause text NOT NULL DEFAULT '',
	CONSTRAINT appservice_deliveries_pkey PRIMARY KEY (appservice_id),
	CONSTRAINT appservice_deliveries_appservice_fkey FOREIGN KEY (appservice_id) REFERENCES appservices (id) ON DELETE CASCADE
) WITH (fillfactor = 50);
COMMENT ON TABLE appservice_deliveries IS 'How transactions to application services go, one row for each service';
COMMENT ON COLUMN appservice_deliveries.appservice_id IS 'service';
COMMENT ON COLUMN appservice_deliveries.since_position IS 'it hears of what comes after this';
COMMENT ON COLUMN appservice_deliveries.txn_id IS 'id of the newest transaction; NULL: there was none';
COMMENT ON COLUMN appservice_deliveries.body IS 'that transaction, byte for byte, until the service has taken it; NULL: it has';
COMMENT ON COLUMN appservice_deliveries.failures IS 'attempts that failed in a row';
COMMENT ON COLUMN appservice_deliveries.interval_ms IS 'pause after the last failure';
COMMENT ON COLUMN appservice_deliveries.retry_at_ms IS 'not before; 0: at once';
COMMENT ON COLUMN appservice_deliveries.failing_since_ms IS 'first failure in the row; 0: none';
COMMENT ON COLUMN appservice_deliveries.reached_at_ms IS 'when it last took a transaction; 0: never';
COMMENT ON COLUMN appservice_deliveries.cause IS 'of the last failure, for administrators';

CREATE TABLE appservice_queue (
	appservice_id text NOT NULL,
	position bigint NOT NULL,
	kind bigint NOT NULL,
	room_nid bigint NOT NULL,
	event_position bigint NOT NULL,
	CONSTRAINT appservice_queue_pkey PRIMARY KEY (appservice_id, position, kind),
	CONSTRAINT appservice_queue_delivery_fkey FOREIGN KEY (appservice_id)
		REFERENCES appservice_deliveries (appservice_id) ON DELETE CASCADE
);
COMMENT ON TABLE appservice_queue IS 'What waits to be put into a transaction, by its place in the stream';
COMMENT ON COLUMN appservice_queue.appservice_id IS 'service';
COMMENT ON COLUMN appservice_queue.position IS 'stream position of what it is to be told';
COMMENT ON COLUMN appservice_queue.kind IS '0: event, 1: receipts, 2: messages to devices, 3: a change of keys';
COMMENT ON COLUMN appservice_queue.room_nid IS 'its room; 0: none';
COMMENT ON COLUMN appservice_queue.event_position IS 'where the event is stored: elsewhere for memberships in rooms that this server is not in; 0: it is none';

INSERT INTO appservice_deliveries (appservice_id, since_position) SELECT id, position FROM appservices, stream_head;

CREATE INDEX device_messages_position_idx ON device_messages (position);
CREATE INDEX members_position_idx ON members (position) WHERE is_local;
