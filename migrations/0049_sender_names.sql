-- What: whoever runs reads anew whose names are whose.
-- Why:  senders of notices that there are already are users that nobody else may act as, like those of application services.
-- Cost: none. Old processes may run beside it: they know of no senders.

UPDATE appservice_version SET version = version + 1 WHERE EXISTS (SELECT 1 FROM notice_senders);
