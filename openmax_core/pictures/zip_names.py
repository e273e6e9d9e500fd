"""Names in ZIP archives: in Unicode where they say so, else in a code page that they do not name.

Windows packs with the code page of its language. It is told by all names of an archive together:
the one in which most signs are everyday ones. Where none stands out, a name keeps its ASCII, and
each other byte is shown as �.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from zipfile import ZipInfo

UNICODE = 0x800  # the flag of names in UTF-8
UNICODE_PATH = 0x7075  # the extra field of WinZip, WinRAR and 7-Zip
WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
LATIN = frozenset("äöüÄÖÜßéèêëàâáåãçñíìîïóòôõúùûæøœÅÆØÉÈÊÀÁÂÇÑÍÓÔÚÿýšžŠŽ")
CYRILLIC = frozenset(map(chr, [*range(0x410, 0x450), 0x401, 0x451]))
KANA = frozenset(map(chr, range(0x3041, 0x30FF)))
# Signs of everyday texts and of the names that systems give to pictures and folders.
HANGUL = frozenset(
    "이다는의에을가고하지은를로도사기어나시서자한해리대아수인라그스일부정제전만여보게주상들과장소연구관원동성적"
    "경국미신우마모회공방생조비오세계용실교화발선진위무있것었했으면년명문학요개당중입물말드트래간차분산단후거반"
    "니내처결추두타음감최각심외저안바금행식체강민영노북남양역통업복약파카페호포폴더새글캡샷크린컴퓨터집속목날달"
    "별눈꽃불풀봄름겨울림탕다운본마폰톡빠엄친족"
)
SIMPLIFIED = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道"
    "行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意"
    "无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什"
    "二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义"
    "各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金"
    "指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求"
    "据程北京边交规万取拉格望术领共确传师观清今切院让识候带导争运图片照截屏幕微夹拍摄花狗猫鸟车桌副未载游旅风景"
)
TRADITIONAL = frozenset(
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道"
    "行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日圖片照"
    "相新增資料夾螢幕擷取畫臺灣台北狗貓鳥花車檔案載桌旅遊風景"
)
KANJI = frozenset(
    "日一国人年大十二本中長出三時行見月分後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川"
    "千水半男西電校語土木聞食車何南万毎白天母火右読友左休父雨会同事自社発者地業方新場員立開手力問代明動京目通"
    "言理体田主題意不作用度強公持野以思家世多正安院心界教文元重近考画海売知道集別物使品計特私始朝運終台広住真"
    "有口少町料工建空送切転研足楽起着店質試族銀早映親英医味写字夜音注帰古歌図週室歩風紙黒花春赤青館屋色走秋夏"
    "駅洋旅服鳥飯冬茶弟牛魚兄犬妹姉漢猫塔像"
)
CODE_PAGES = {
    "cp949": HANGUL,
    "cp932": KANA | KANJI,
    "gbk": SIMPLIFIED,
    "big5": TRADITIONAL,
    "cp866": CYRILLIC,
}
LATIN_CODE_PAGES = ("cp437", "cp1252")
SHARE_NEEDED, LEAD_NEEDED = 0.35, 1.5


def names_of(entries: Sequence[ZipInfo]) -> list[str]:
    """Names of an archive's entries, in their order."""
    raw = [_raw(entry) for entry in entries]
    names = [
        entry.orig_filename if content is None else _unicode(entry, content)
        for entry, content in zip(entries, raw, strict=True)
    ]
    untold = [content or b"" for content, name in zip(raw, names, strict=True) if name is None]
    code_page = _code_page(untold) or "ascii"
    return [
        (content or b"").decode(code_page, "replace") if name is None else name
        for content, name in zip(raw, names, strict=True)
    ]


def _raw(entry: ZipInfo) -> bytes | None:
    """Bytes of a name of which the archive does not say that it is UTF-8; else None."""
    if entry.flag_bits & UNICODE:
        return None
    return entry.orig_filename.encode("cp437")  # as zipfile has decoded it


def _unicode(entry: ZipInfo, raw: bytes) -> str | None:
    """Return a name that is told by an extra field, or is UTF-8 all the same; else None."""
    extra = entry.extra
    while len(extra) >= 4:
        kind, size = (int.from_bytes(extra[at : at + 2], "little") for at in (0, 2))
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and field[1:5] == zlib.crc32(raw).to_bytes(4, "little"):
            raw = field[5:]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _code_page(names: Sequence[bytes]) -> str | None:
    """Tell the code page of an archive's names; None where it cannot be told."""
    if not names:
        return None
    words = [word for name in names for word in WORD.findall(name)]
    # In a language of Latin letters, few of a word's have an accent.
    if all(3 * sum(byte >= 0x80 for byte in word) <= len(word) for word in words):
        for code_page in LATIN_CODE_PAGES:
            if _share(names, code_page, LATIN) == 1:
                return code_page
    common = dict(CODE_PAGES)
    # Of the others a sign's second byte may be a letter, and two bytes are one sign.
    if any(re.search(rb"[A-Za-z]", word) for word in words) or max(map(len, words)) < 4:
        del common["cp866"]
    shares = sorted(((_share(names, page, signs), page) for page, signs in common.items()))[::-1]
    (best, code_page), (second, _) = shares[:2]
    return code_page if best >= max(SHARE_NEEDED, LEAD_NEEDED * second) else None


def _share(names: Sequence[bytes], code_page: str, common: frozenset[str]) -> float:
    """Share of the signs beyond ASCII that are common ones; 0 where it is another code page."""
    try:
        signs = [sign for name in names for sign in name.decode(code_page) if not sign.isascii()]
    except UnicodeDecodeError:
        return 0.0
    return sum(sign in common for sign in signs) / len(signs) if signs else 0.0
