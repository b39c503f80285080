/*
 * A row for each text, as it is where it is said; '%' stands for what is filled in, in the same order in both languages.
 */
#include "notices/notice_reason.h"

#include "base/buf.h"

enum { SLOTS_MAX = 4 };

static const struct {
	struct str en, zh;
} reasons[] = {
	/* notices */
	{STR_INIT("There is no sender '%'"), STR_INIT("沒有名為「%」的通知帳號")},
	{STR_INIT("'%' is in the namespace of the application service '%'"),
		STR_INIT("「%」屬於應用服務「%」的名稱範圍")},
	{STR_INIT("'%' is an account of somebody"), STR_INIT("「%」是別人的帳號")},
	{STR_INIT("The display name has more than % bytes"), STR_INIT("顯示名稱超過 % 個位元組")},
	{STR_INIT("'%' is neither a room id nor an alias, such as #class-3b"),
		STR_INIT("「%」不是聊天室代號或別名（例如 #class-3b）")},
	{STR_INIT("'%' is no language, such as zh-Hant, or there are too many"),
		STR_INIT("「%」不是語言代碼（例如 zh-Hant），或語言太多")},
	{STR_INIT("A notice goes to 1 to % rooms or spaces"),
		STR_INIT("一則通知可發送到 1 至 % 個聊天室或空間")},
	{STR_INIT("The token is not for '%'"), STR_INIT("這個權杖不能用於「%」")},
	{STR_INIT("'%' is no language, such as zh-Hant"),
		STR_INIT("「%」不是語言代碼（例如 zh-Hant）")},
	{STR_INIT("Two texts have the language '%'"), STR_INIT("有兩段內容的語言都是「%」")},
	{STR_INIT("A notice has 1 to % texts"), STR_INIT("一則通知可有 1 至 % 種語言的內容")},
	{STR_INIT("The notice would expire before it is due for the first time"),
		STR_INIT("通知在第一次發送之前就會到期")},
	{STR_INIT("A repeated notice needs a start"), STR_INIT("週期通知需要開始時間")},
	{STR_INIT("All of the schedule is in the past"), STR_INIT("排定的時間都已經過去了")},
	{STR_INIT("Under this request key something else was posted before, as notice %"),
		STR_INIT("同一個請求代碼先前已用於不同的內容（通知 %）")},
	{STR_INIT("% notices of this sender wait already"),
		STR_INIT("這個通知帳號已有 % 則通知在等待發送，不能再增加")},
	{STR_INIT("'%' is no file that was uploaded for '%'"), STR_INIT("「%」不是為「%」上傳的檔案")},
	{STR_INIT("A notice has at most % files"), STR_INIT("一則通知最多 % 個附件")},
	{STR_INIT("The request's key has more than % bytes"), STR_INIT("請求代碼超過 % 個位元組")},
	{STR_INIT("The token is not for notice %"), STR_INIT("這個權杖不能用於通知 %")},
	{STR_INIT("There is no notice % of which something is still to be sent"),
		STR_INIT("通知 % 沒有尚待發送的部分")},
	{STR_INIT("There is no notice %"), STR_INIT("沒有編號 % 的通知")},
	/* notice_seen */
	{STR_INIT("Notice % has not been sent yet"), STR_INIT("通知 % 尚未發送")},
	{STR_INIT("Notice % has been sent % time(s)"), STR_INIT("通知 % 只發送過 % 次")},
	/* notice_text, notice_message */
	{STR_INIT("The text is nested more than % deep (lists, quotes, emphasis)"),
		STR_INIT("內容的層次（清單、引用、強調）超過 % 層")},
	{STR_INIT("The text has more than % bytes"), STR_INIT("內容超過 % 個位元組")},
	{STR_INIT("The text is not UTF-8, or has control characters in it"),
		STR_INIT("內容不是 UTF-8，或含有控制字元")},
	{STR_INIT("The text is empty"), STR_INIT("沒有內容")},
	{STR_INIT("The text becomes too long"), STR_INIT("內容太長")},
	{STR_INIT("All languages together are too long for one message"),
		STR_INIT("各語言的內容合起來太長，無法放進一則訊息")},
	/* schedule */
	{STR_INIT("There is no time zone '%'; take a name such as Asia/Taipei"),
		STR_INIT("沒有時區「%」，請用 Asia/Taipei 這樣的名稱")},
	{STR_INIT("'%' is no date with time; write it as 2026-11-30T07:00"),
		STR_INIT("「%」不是日期與時間，請寫成 2026-11-30 07:00")},
	{STR_INIT("More than % dates are left out"), STR_INIT("略過的日期超過 % 個")},
	{STR_INIT("'%' is no date that could be left out; write it as 2026-12-25"),
		STR_INIT("「%」不是可略過的日期，請寫成 2026-12-25")},
	{STR_INIT("The rule never comes"), STR_INIT("這個週期規則永遠不會發生")},
	{STR_INIT("The rule has more than % occurrences by now; let it start later"),
		STR_INIT("這個週期規則到現在已超過 % 次，請改用較晚的開始時間")},
	/* recurrence */
	{STR_INIT("The rule has '%', which is no part of one"), STR_INIT("週期規則不能有「%」")},
	{STR_INIT("The rule has % twice"), STR_INIT("週期規則的 % 出現兩次")},
	{STR_INIT("The rule's %=% is none"), STR_INIT("週期規則的 %=% 不正確")},
	{STR_INIT(
		 "The rule needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY; several times a day are FREQ=DAILY;BYHOUR=8,12"),
		STR_INIT(
			"週期規則需要 FREQ=DAILY、WEEKLY、MONTHLY 或 YEARLY；一天多次請寫 FREQ=DAILY;BYHOUR=8,12")},
	{STR_INIT("The rule has a part that does not go with FREQ=%"),
		STR_INIT("週期規則中有不能與 FREQ=% 並用的部分")},
	{STR_INIT("The rule has both COUNT and UNTIL"), STR_INIT("週期規則不能同時有 COUNT 與 UNTIL")},
	{STR_INIT("The rule's WKST is no day of the week"), STR_INIT("週期規則的 WKST 不是星期")},
	{STR_INIT("The rule comes more than % times a day"), STR_INIT("週期規則一天超過 % 次")},
	{STR_INIT("BYSETPOS goes with one time of day"), STR_INIT("BYSETPOS 只能搭配一天一個時間")},
	{STR_INIT("The rule's UNTIL is no date"), STR_INIT("週期規則的 UNTIL 不是日期")},
	{STR_INIT("The rule has more than % bytes"), STR_INIT("週期規則超過 % 個位元組")},
	{STR_INIT("A rule starts between % and %"), STR_INIT("週期規則的開始年份須在 % 與 % 之間")},
};

/* Where the piece begins in the text, at its end for the last one of a pattern; SIZE_MAX: nowhere. */
static size_t find(struct str text, struct str piece, bool is_last)
{
	for (size_t at = is_last && text.n >= piece.n ? text.n - piece.n : 0; at + piece.n <= text.n;
		 at++) {
		if (str_starts_with(str_slice(text, at, text.n), piece)) {
			return at;
		}
	}
	return SIZE_MAX;
}

/* Whether the text is the pattern with something in each slot. */
static bool matches(struct str pattern, struct str text, struct str slots[SLOTS_MAX])
{
	struct str piece;
	struct str rest;
	bool has_slot = str_split(pattern, '%', &piece, &rest);
	if (!str_starts_with(text, piece)) {
		return false;
	}
	text = str_slice(text, piece.n, text.n);
	for (size_t i = 0; has_slot; i++) {
		has_slot = str_split(rest, '%', &piece, &rest);
		size_t at = find(text, piece, !has_slot);
		if (i == SLOTS_MAX || at == SIZE_MAX) {
			return false;
		}
		slots[i] = str_slice(text, 0, at);
		text = str_slice(text, at + piece.n, text.n);
	}
	return text.n == 0;
}

struct str notice_reason_in_chinese(struct arena *arena, struct str english)
{
	struct str slots[SLOTS_MAX] = {0};
	for (size_t i = 0; i < COUNT_OF(reasons); i++) {
		if (!matches(reasons[i].en, english, slots)) {
			continue;
		}
		struct buf out CLEANUP(buf_fini) = {0};
		struct str rest = reasons[i].zh;
		struct str piece;
		buf_init(&out, SIZE_MAX);
		for (size_t slot = 0; str_split(rest, '%', &piece, &rest); slot++) {
			buf_add(&out, piece);
			buf_add(&out, slots[slot]);
		}
		buf_add(&out, piece);
		return str_dup(arena, buf_str(&out));
	}
	return english;
}
