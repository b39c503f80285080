-- What: the body of the request that began a session of user-interactive authentication.
-- Why: some clients send `auth` alone when they go on with a session.
-- Cost on a large database: none; the table holds half an hour.
-- Beside old processes: yes; their sessions have no body.

ALTER TABLE uia_sessions ADD COLUMN body bytea;
COMMENT ON COLUMN uia_sessions.body IS 'body that began it, without auth, sealed with the session id; NULL: not kept';
