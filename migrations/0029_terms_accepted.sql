-- What: who accepted which policy in which version when; what a sign-up under way has accepted.
-- Why:  an operator has to be able to show it. A version is noted when it is accepted: it may be another one by the time the account
--       is made.
-- Cost: none on an existing database. Old processes may run beside it; accounts that they make have no such rows.

CREATE TABLE terms_accepted (
	user_id text NOT NULL,
	policy_id text NOT NULL,
	version text NOT NULL,
	accepted_at_ms bigint NOT NULL,
	CONSTRAINT terms_accepted_pkey PRIMARY KEY (user_id, policy_id, version),
	CONSTRAINT terms_accepted_user_fkey FOREIGN KEY (user_id) REFERENCES accounts (user_id) ON DELETE CASCADE
);
COMMENT ON TABLE terms_accepted IS 'Policies that users have accepted, kept also when the account is deactivated';
COMMENT ON COLUMN terms_accepted.user_id IS 'who';
COMMENT ON COLUMN terms_accepted.policy_id IS 'id of the policy, of option terms.policies';
COMMENT ON COLUMN terms_accepted.version IS 'its version then';
COMMENT ON COLUMN terms_accepted.accepted_at_ms IS 'when the account was made with it';

ALTER TABLE uia_sessions ADD COLUMN terms text;
COMMENT ON COLUMN uia_sessions.terms IS 'policies accepted: ID=VERSION, separated by spaces; NULL: none';
