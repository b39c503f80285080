-- What: who has been told of which terms.
-- Why:  users who have to accept new terms get one server notice with the link.
-- Cost: none. Old processes may run beside it: they tell nobody.

CREATE TABLE terms_told (
	user_id text NOT NULL,
	versions text NOT NULL,
	CONSTRAINT terms_told_pkey PRIMARY KEY (user_id),
	CONSTRAINT terms_told_user_fkey FOREIGN KEY (user_id) REFERENCES accounts (user_id) ON DELETE CASCADE
);
COMMENT ON TABLE terms_told IS 'The newest terms of which a user was told by a server notice';
COMMENT ON COLUMN terms_told.user_id IS 'who';
COMMENT ON COLUMN terms_told.versions IS 'policies and their versions, "ID=VERSION …"';
