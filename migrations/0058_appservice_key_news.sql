-- What: devices of application services' users whose one-time or fallback keys were claimed.
-- Why:  a service has no answers of /sync that would tell how many are left (MSC3202); it learns that by the next transaction.
-- Cost: none. Old processes may run beside it: what is claimed by them is told with the next message to the device, as before.

CREATE TABLE appservice_key_news (
	user_id text NOT NULL,
	device_id text NOT NULL,
	claims bigint NOT NULL,
	CONSTRAINT appservice_key_news_pkey PRIMARY KEY (user_id, device_id)
);
COMMENT ON TABLE appservice_key_news IS 'Devices of services'' users from which keys were claimed since a transaction said how many are left';
COMMENT ON COLUMN appservice_key_news.user_id IS 'user that a service has registered';
COMMENT ON COLUMN appservice_key_news.device_id IS 'device';
COMMENT ON COLUMN appservice_key_news.claims IS 'statements that claimed some since; tells whether there were more meanwhile';
