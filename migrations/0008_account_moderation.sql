-- What: suspension beside the state instead of in it; the program that a device last used.
-- Why:  an account can be locked and suspended, and unlocking one that was suspended must not lift the suspension;
--       administrators see devices with their user agent.
-- Cost: one pass over the accounts for the check, without rewriting the table. Old processes may run beside it; they do
--       not see new suspensions.

ALTER TABLE accounts ADD COLUMN is_suspended boolean NOT NULL DEFAULT false;
UPDATE accounts SET is_suspended = true, state = 'active' WHERE state = 'suspended';
ALTER TABLE accounts DROP CONSTRAINT accounts_state_known;
ALTER TABLE accounts ADD CONSTRAINT accounts_state_known CHECK (state IN ('active', 'locked', 'deactivated'));
COMMENT ON COLUMN accounts.state IS 'active, locked or deactivated';
COMMENT ON COLUMN accounts.is_suspended IS 'may read, not act';

ALTER TABLE devices ADD COLUMN last_seen_user_agent text;
COMMENT ON COLUMN devices.last_seen_user_agent IS 'by which program; NULL: it did not say';
