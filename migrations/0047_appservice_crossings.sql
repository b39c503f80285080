-- What: the queue of application services holds who came into rooms with their users, and who went.
-- Why:  services that encrypt have to know whose keys are of use to them.
-- Cost: none. Old processes may run beside it: they put none of that into the queue, and pass over it.

COMMENT ON COLUMN appservice_queue.kind IS '0: event, 1: receipts, 2: messages to devices, 3: a change of keys; in rooms with users of the service: 4: who joined there, 5: all who are in it, 6: who left there, 7: all who were in it';
