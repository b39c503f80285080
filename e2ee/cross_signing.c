#include "e2ee/cross_signing.h"

#include "e2ee/device_lists.h"
#include "storage/device_key.h"

enum err cross_signing_account_ended(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	TRY(store_device_key_end_account(ctx, hs->db, user_id));
	device_lists_devices_changed(ctx, hs, user_id);
	return ERR_OK;
}
