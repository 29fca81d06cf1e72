/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Devices by id: features and config fields (virtio 1.4, section 5), as text. */
#include <stdio.h>
#include <string.h>

#include "known.h"
#include "vhost-device/num.h"
#include "wire/vhost-user.h"
#include "wire/virtio-ring.h"

/*
 * Id, fewest and most queues (0: any), comes without config space, features it
 * must have, protocol features that speak for it; then the texts of known.h.
 */
#define DEVICES(X) \
	X(4, 1, 1, false, 0, 0, \
	  "rng", "request", \
	  "", \
	  "") \
	X(2, 1, 0, false, 0, 0, \
	  "block", "request queues", \
	  "BARRIER SIZE_MAX SEG_MAX 4 GEOMETRY RO BLK_SIZE SCSI 9 FLUSH TOPOLOGY " \
	  "CONFIG_WCE MQ DISCARD WRITE_ZEROES LIFETIME SECURE_ERASE ZONED", \
	  "capacity:8 size_max seg_max::0:65536 cylinders:2 heads:1 " \
	  "sectors:1 blk_size::0:16777216 physical_block_exp:1:0:20 " \
	  "alignment_offset:1 min_io_size:2 opt_io_size writeback:1:0:1 " \
	  "unused:p1 num_queues:2:0:4096 max_discard_sectors " \
	  "max_discard_seg discard_sector_alignment " \
	  "max_write_zeroes_sectors max_write_zeroes_seg " \
	  "write_zeroes_may_unmap:1:0:1 unused:p3 max_secure_erase_sectors " \
	  "max_secure_erase_seg secure_erase_sector_alignment " \
	  "zone_sectors max_open_zones max_active_zones " \
	  "max_append_sectors write_granularity zoned_model:1:0:2 " \
	  "unused:p3") \
	X(1, 2, 0, true, 0, BIT(VU_PF_RARP) | BIT(VU_PF_MTU), \
	  "net", "receive and transmit in pairs, then control", \
	  "CSUM GUEST_CSUM CTRL_GUEST_OFFLOADS MTU 5 MAC 7 GUEST_TSO4 GUEST_TSO6 " \
	  "GUEST_ECN GUEST_UFO HOST_TSO4 HOST_TSO6 HOST_ECN HOST_UFO MRG_RXBUF " \
	  "STATUS CTRL_VQ CTRL_RX CTRL_VLAN 21 GUEST_ANNOUNCE MQ CTRL_MAC_ADDR " \
	  "52 VQ_NOTF_COAL NOTF_COAL GUEST_USO4 GUEST_USO6 HOST_USO HASH_REPORT " \
	  "59 GUEST_HDRLEN RSS RSC_EXT STANDBY SPEED_DUPLEX", \
	  "mac:m6 status:x2:0:3 max_virtqueue_pairs:2 mtu:2 speed duplex:x1 " \
	  "rss_max_key_size:1 rss_max_indirection_table_length:2 " \
	  "supported_hash_types:x4") \
	X(19, 2, 3, false, 0, 0, \
	  "vsock", "receive, transmit, event", \
	  "STREAM SEQPACKET NO_IMPLIED_STREAM", \
	  "guest_cid:8:3:4294967294") \
	X(26, 2, 0, true, 0, \
	  BIT(VU_PF_DEVICE_STATE) | BIT(VU_PF_BACKEND_SEND_FD) | \
	  BIT(VU_PF_LOG_SHMFD), \
	  "fs", "hiprio, then request queues", \
	  "NOTIFICATION", \
	  "tag:t36 num_request_queues::1:1024 notify_buf_size") \
	X(41, 1, 2, false, 0, 0, \
	  "gpio", "request, event", \
	  "IRQ", \
	  "ngpio:2:1:65535 padding:p2 gpio_names_size::0:16777216") \
	X(34, 1, 1, false, BIT(0), 0, \
	  "i2c", "request", \
	  "ZERO_LENGTH_REQUEST", \
	  "") \
	X(45, 1, 1, false, 0, 0, \
	  "spi", "request", \
	  "", \
	  "cs_max_number:1:1:255 cs_change_supported:1:0:1 " \
	  "tx_nbits_supported:x1:0:7 rx_nbits_supported:x1:0:7 " \
	  "bits_per_word_mask:x4 mode_func_supported:x4 max_freq_hz " \
	  "max_word_delay_ns max_cs_setup_ns max_cs_hold_ns " \
	  "max_cs_inactive_ns") \
	X(36, 3, 3, false, BIT(0), 0, \
	  "can", "transmit, receive, control", \
	  "CAN_CLASSIC CAN_FD RTR_FRAMES LATE_TX_ACK", \
	  "status:x2:0:1") \
	X(3, 2, 0, false, 0, 0, \
	  "console", "receive and transmit, control, then pairs for each port", \
	  "SIZE MULTIPORT EMERG_WRITE", \
	  "cols:2:0:4096 rows:2:0:4096 max_nr_ports::0:65536 emerg_wr:x4") \
	X(18, 2, 2, false, 0, 0, \
	  "input", "event, status", \
	  "", \
	  "select:x1 subsel:x1 size:1:0:128 reserved:p5 data:m128") \
	X(25, 4, 4, false, 0, 0, \
	  "sound", "control, event, transmit, receive", \
	  "CTLS", \
	  "jacks::0:1024 streams::1:1024 chmaps::0:1024 controls::0:4096") \
	X(17, 1, 2, false, 0, 0, \
	  "rtc", "request, alarm", \
	  "ALARM", \
	  "") \
	X(32, 1, 2, false, 0, 0, \
	  "scmi", "command, event", \
	  "P2A_CHANNELS SHARED_MEMORY", \
	  "") \
	X(8, 3, 0, false, 0, 0, \
	  "scsi", "control, event, then request queues", \
	  "INOUT HOTPLUG CHANGE T10_PI", \
	  "num_queues::1:4096 seg_max::1:65536 max_sectors " \
	  "cmd_per_lun::1 event_info_size::1:1024 sense_size::1:4096 " \
	  "cdb_size::1:4096 max_channel:2 max_target:2 max_lun") \
	X(16, 2, 2, false, 0, 0, \
	  "gpu", "control, cursor", \
	  "VIRGL EDID RESOURCE_UUID RESOURCE_BLOB CONTEXT_INIT BLOB_ALIGNMENT", \
	  "events_read:x4:0:1 events_clear:x4:0:1 num_scanouts::0:16 " \
	  "num_capsets::0:64 blob_alignment") \
	X(48, 2, 2, false, 0, BIT(VU_PF_SHMEM), \
	  "media", "command, event", \
	  "", \
	  "device_caps:x4:1 device_type::0:5 card:t32") \
	X(31, 2, 2, false, 0, 0, \
	  "video-decoder", "command, event", \
	  "RESOURCE_GUEST_PAGES RESOURCE_NON_CONTIG RESOURCE_VIRTIO_OBJECT", \
	  "version::0:1 max_caps_length::1 max_resp_length::1 " \
	  "device_name:t32") \
	X(20, 2, 0, false, 0, 0, \
	  "crypto", "data queues, then control", \
	  "REVISION_1 CIPHER_STATELESS HASH_STATELESS MAC_STATELESS " \
	  "AEAD_STATELESS AKCIPHER_STATELESS", \
	  "status:x4:0:1 max_dataqueues::1:4096 crypto_services:x4:1:31 " \
	  "cipher_algo_l:x4 cipher_algo_h:x4 hash_algo:x4 mac_algo_l:x4 " \
	  "mac_algo_h:x4 aead_algo:x4 max_cipher_key_len max_auth_key_len " \
	  "akcipher_algo:x4 max_size:8") \
	X(28, 1, 1, false, 0, 0, \
	  "rpmb", "request", \
	  "", \
	  "capacity:1:1:128 max_wr_cnt:1 max_rd_cnt:1") \
	X(0, 1, 1, false, 0, 0, \
	  "template", "request, answered with its own bytes", \
	  "", \
	  "requests last_length")

#define ROW(id, q_min, q_max, lacks_config, must, likes, name, queues, features, config) \
	{ id, q_min, q_max, must, lacks_config, likes },
const struct known known_devices[] = { DEVICES(ROW) };
#undef ROW

/* The texts of all rows, one after the other: no pointer, no relocation. */
#define ROW(id, q_min, q_max, lacks_config, must, likes, name, queues, features, config) \
	name "\0" queues "\0" features "\0" config "\0"
static const char texts[] = DEVICES(ROW);
#undef ROW

const unsigned known_count = ARRAY_SIZE(known_devices);

const char *known_text(const struct known *k, enum known_text which)
{
	unsigned i = KNOWN_TEXTS * (unsigned)(k - known_devices) + which;
	const char *p = texts;

	while (i-- > 0)
		p += strlen(p) + 1;
	return p;
}

const struct known *known_find(const char *text)
{
	uint64_t id;
	bool by_id = num_parse(text, 0, UINT16_MAX, &id) == 0;
	unsigned i;

	for (i = 0; i < known_count; i++) {
		if (by_id ? known_devices[i].id == id
		    : strcmp(known_text(&known_devices[i], KNOWN_NAME), text) == 0)
			return &known_devices[i];
	}
	return NULL;
}

/* Number at *p, which moves behind it. */
static uint64_t take_number(const char **p)
{
	uint64_t n = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		n = n * 10 + (uint64_t)(**p - '0');
	return n;
}

/* The word that names a bit in a list of features. */
static bool name_in(const char *list, unsigned bit, char buf[KNOWN_NAME_SIZE])
{
	unsigned at = 0;
	size_t n;

	while (*list != '\0') {
		if (*list >= '0' && *list <= '9') {
			at = (unsigned)take_number(&list);
		} else {
			n = strcspn(list, " ");
			if (at++ == bit) {
				snprintf(buf, KNOWN_NAME_SIZE, "%.*s", (int)n, list);
				return true;
			}
			list += n;
		}
		list += strspn(list, " ");
	}
	return false;
}

static const char transport_features[] = "24 NOTIFY_ON_EMPTY 26 LOG_ALL ANY_LAYOUT INDIRECT_DESC "
	"EVENT_IDX PROTOCOL_FEATURES 32 VERSION_1 ACCESS_PLATFORM RING_PACKED IN_ORDER "
	"ORDER_PLATFORM SR_IOV NOTIFICATION_DATA NOTIF_CONFIG_DATA RING_RESET ADMIN_VQ";

uint64_t known_device_bits(void)
{
	return (BIT(24) - 1) | ~(BIT(42) - 1);
}

bool known_feature(const struct known *k, unsigned bit, char buf[KNOWN_NAME_SIZE])
{
	return name_in(transport_features, bit, buf) ||
		(k != NULL && name_in(known_text(k, KNOWN_FEATURES), bit, buf));
}

bool known_next_field(const char **pos, struct known_field *f)
{
	const char *p = *pos;
	size_t n = strcspn(p, ": ");

	if (*p == '\0')
		return false;
	snprintf(f->name, sizeof(f->name), "%.*s", (int)n, p);
	p += n;
	f->off += f->size;
	f->kind = 'u';
	f->size = 4;
	if (*p == ':') {
		p++;
		if (*p > '9' && *p != ':')
			f->kind = *p++;
		if (*p != ':')
			f->size = (unsigned)take_number(&p);
	}
	f->least = f->most = 0;
	if (*p == ':') {
		p++;
		f->least = take_number(&p);
	}
	if (*p == ':') {
		p++;
		f->most = take_number(&p);
	}
	*pos = p + strspn(p, " ");
	return true;
}

unsigned known_config_size(const struct known *k)
{
	struct known_field f = { .off = 0 };
	const char *pos = known_text(k, KNOWN_CONFIG);

	while (known_next_field(&pos, &f))
		;
	return f.off + f.size;
}

uint64_t known_value(const struct known_field *f, const uint8_t *config)
{
	uint64_t v = 0;
	unsigned i;

	for (i = f->size < 8 ? f->size : 8; i-- > 0;)
		v = v << 8 | config[f->off + i];
	return v;
}
