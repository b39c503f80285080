#include "homeserver/voip/voip.h"

void voip_write_transports(struct json_out *out, struct str key, struct str livekit_url)
{
	json_out_key(out, key);
	json_out_array(out);
	if (livekit_url.n > 0) {
		json_out_object(out);
		json_out_key_str(out, "type", STR("livekit"));
		json_out_key_str(out, "livekit_service_url", livekit_url);
		json_out_end(out);
	}
	json_out_end(out);
}
