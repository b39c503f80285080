-- What: status messages of local users.
-- Why:  they outlive restarts; the rest of presence is in memory only.
-- Cost: none. Old processes may run beside it.

CREATE TABLE presence_statuses (
	user_id text NOT NULL,
	status_msg text NOT NULL,
	CONSTRAINT presence_statuses_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE presence_statuses IS 'What local users say of themselves beside their presence';
COMMENT ON COLUMN presence_statuses.user_id IS 'whose';
COMMENT ON COLUMN presence_statuses.status_msg IS 'in their words; never empty';
