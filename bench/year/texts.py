"""What is said: Traditional Chinese and English, words as unevenly used as in life, most messages short."""
import math

CHINESE = """明天 今天 下週 考試 作業 數學 國文 英文 自然 社會 老師 同學 家長 教室 圖書館 操場 體育館 社團 報告 繳交 截止 請假 公告 活動 校慶 運動會 段考
成績 補考 課本 講義 制服 午餐 便當 集合 出發 遲到 停課 颱風 放學 接送 聯絡簿 通知單 同意書 簽名 報名 費用 補助 志工 導師 輔導 教務處 學務處 時間 地點 記得 麻煩
謝謝 收到 好的 沒問題 辛苦了 請問 可以 已經 還沒 一起 討論 小組 分工 簡報 影片 照片 檔案 連結 密碼 平板 網路 投影 實驗 週五 週一 上午 下午 晚上""".split()
ENGLISH = """the homework is due tomorrow please bring your book we meet in room library at lunch thanks ok sure see you later can someone send
me notes from class exam next week practice starts after school bus leaves early who has the slides group project presentation finished draft
teacher said bring permission form signed by parents trip museum science math history english art music sports team match won great job everyone
remember deadline friday monday afternoon question about page exercise answer wrong think maybe yes no good morning hello sorry late""".split()
# The common characters that rarer words are made of.
CHARACTERS = ("的一是在不了有和人這中大為上個國我以要他時來用們生到作地於出就分對成會可主發年動同工也能下過子說產種面而方後多定行學法所民得經十三"
              "之進著等部度家電力裡如水化高自二理起小物現實加量都兩體制機當使點從業本去把性好應開它合還因由其些然前外天政四日那社義事平形相全表間樣與"
              "關各重新線內數正心反你明看原又麼利比或但質氣第向道命此變條只沒結解問意建月公無系軍很情者最立代想已通並提直題黨程展五果料象員革位入常文"
              "總次品式活設及管特件長求老頭基資邊流路級少圖山統接知較將組見計別她手角期根論運農指幾九區強放決西被幹做必戰先回則任取據處隊南給色光門即保治")
REACTIONS = ["👍", "❤️", "😂", "🎉", "🙏", "👀", "✅", "😮"]


class Texts:
    def __init__(self, chance):
        self.chance = chance
        self.chinese = CHINESE + [chance.choice(CHARACTERS) + chance.choice(CHARACTERS) for _ in range(6000)]
        self.english = ENGLISH + ["".join(chance.choice(pair) for pair in ("bcdfglmnprst", "aeiou", "bdklmnrst", "aeioy", "dlmnrst"))
                                  for _ in range(4000)]

    def _word(self, words):
        """Zipf: the n-th word is used 1/n times as often as the first."""
        return words[min(len(words) - 1, int(math.exp(self.chance.random() * math.log(len(words)))))]

    def message(self):
        chance = self.chance
        count = max(1, min(120, int(chance.lognormvariate(1.8, 0.8))))
        if chance.random() < 0.7:
            words = [self._word(self.chinese) for _ in range(count)]
            return "".join(word + ("," if n % 4 == 3 else "") for n, word in enumerate(words)) + chance.choice("。!?~ ")
        return " ".join(self._word(self.english) for _ in range(count + 2))

    def reaction(self):
        return self.chance.choice(REACTIONS)
