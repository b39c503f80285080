-- What: the application services that are registered.
-- Why:  bridges and bots are added and removed without a restart, and all processes follow.
-- Cost: none. Old processes may run beside it: to them there are no application services.

CREATE TABLE appservices (
	id text NOT NULL,
	as_token_hash bytea NOT NULL,
	hs_token text NOT NULL,
	registration text NOT NULL,
	added_ms bigint NOT NULL,
	changed_ms bigint NOT NULL,
	CONSTRAINT appservices_pkey PRIMARY KEY (id),
	CONSTRAINT appservices_as_token_hash_key UNIQUE (as_token_hash)
);
COMMENT ON TABLE appservices IS 'Application services: bridges and bots that are programs of their own';
COMMENT ON COLUMN appservices.id IS 'chosen by the service''s administrator; never changes';
COMMENT ON COLUMN appservices.as_token_hash IS 'SHA-256 of the token by which the service asks this server';
COMMENT ON COLUMN appservices.hs_token IS 'the token by which this server asks the service';
COMMENT ON COLUMN appservices.registration IS 'what else stands in its registration file, checked, as canonical JSON';
COMMENT ON COLUMN appservices.added_ms IS 'when it was first registered';
COMMENT ON COLUMN appservices.changed_ms IS 'when it was last registered with other content';

CREATE TABLE appservice_version (
	one_row boolean NOT NULL DEFAULT true,
	version bigint NOT NULL,
	CONSTRAINT appservice_version_pkey PRIMARY KEY (one_row),
	CONSTRAINT appservice_version_one_row_check CHECK (one_row)
);
COMMENT ON TABLE appservice_version IS 'By what running servers notice a change of appservices; one row';
COMMENT ON COLUMN appservice_version.one_row IS 'always true';
COMMENT ON COLUMN appservice_version.version IS 'grows with every change';
INSERT INTO appservice_version (version) VALUES (1);
