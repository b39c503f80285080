-- What: with which servers this one federates, as set by command or administrators.
-- Why:  a school changes its partners without a restart, and all processes follow.
-- Cost: none. Old processes may run beside it: they federate with everybody.

CREATE TABLE federation_policy (
	one_row boolean NOT NULL DEFAULT true,
	policy text,
	version bigint NOT NULL,
	CONSTRAINT federation_policy_pkey PRIMARY KEY (one_row),
	CONSTRAINT federation_policy_one_row_check CHECK (one_row),
	CONSTRAINT federation_policy_policy_check CHECK (policy IN ('open', 'partners', 'closed'))
);
COMMENT ON TABLE federation_policy IS 'With whom the server federates; one row';
COMMENT ON COLUMN federation_policy.one_row IS 'always true';
COMMENT ON COLUMN federation_policy.policy IS 'open, partners or closed; NULL: as configured';
COMMENT ON COLUMN federation_policy.version IS 'grows with every change of it and of federation_servers';
INSERT INTO federation_policy (policy, version) VALUES (NULL, 1);

CREATE TABLE federation_servers (
	pattern text NOT NULL,
	is_allowed boolean NOT NULL,
	CONSTRAINT federation_servers_pkey PRIMARY KEY (pattern)
);
COMMENT ON TABLE federation_servers IS 'Servers that are partners, and servers that are refused whatever the policy';
COMMENT ON COLUMN federation_servers.pattern IS 'name, with * and ?';
COMMENT ON COLUMN federation_servers.is_allowed IS 'a partner; else refused';
