"""Pairs of terms that name groups of people, and what looks like one and is none."""

import re


def _pairs(text):
    return [tuple(pair.split()) for pair in text.replace("\n", " ").split(",")]


def _words(text):
    return frozenset(text.split())


_ENGLISH_PAIRS = """
he she, himself herself, man woman, men women, boy girl, boys girls, male female,
males females, father mother, fathers mothers, dad mom, dads moms, daddy mommy,
daddies mommies, son daughter, sons daughters, brother sister, brothers sisters,
husband wife, husbands wives, uncle aunt, uncles aunts, nephew niece, nephews nieces,
grandfather grandmother, grandfathers grandmothers, grandpa grandma, grandson
granddaughter, grandsons granddaughters, stepfather stepmother, stepson stepdaughter,
stepbrother stepsister, godfather godmother, boyfriend girlfriend, boyfriends
girlfriends, fiance fiancee, fiancé fiancée, groom bride, grooms brides, widower widow,
widowers widows, gentleman lady, gentlemen ladies, guy gal, guys gals, lad lass, lads
lasses, schoolboy schoolgirl, schoolboys schoolgirls, mr mrs, sir madam, king queen,
kings queens, prince princess, princes princesses, emperor empress, duke duchess, baron
baroness, god goddess, gods goddesses, hero heroine, heroes heroines, heir heiress,
actor actress, actors actresses, waiter waitress, waiters
waitresses, steward stewardess, landlord landlady, wizard witch, wizards witches, monk
nun, monks nuns, abbot abbess, policeman policewoman, policemen policewomen, fireman
firewoman, businessman businesswoman, businessmen businesswomen, chairman chairwoman,
spokesman spokeswoman, congressman congresswoman, salesman saleswoman, cameraman
camerawoman, sportsman sportswoman, sportsmen sportswomen, craftsman craftswoman,
masculine feminine, masculinity femininity, manhood womanhood, fatherhood motherhood,
brotherhood sisterhood, paternal maternal, manly womanly, fatherly motherly
"""

# Between "her" and what follows, these say that "her" is the object ("saw her in"),
# and after "his" that it stands alone ("a friend of his and").
_AFTER_OBJECT = _words(
    """
    a an the this that these those some any each every no another both all i you he
    she it we they me him her his hers himself herself us them who whom whose which
    what how why when where whether if because since although though while until
    unless as than and or but nor so yet for from to into onto in on at by with
    without within about against among between before after during through
    throughout over under above below of off out up down around across along behind
    beside besides beyond near despite except toward towards upon via per versus is
    are was were be been being am has have had do does did will would shall should
    can could may might must cannot not never ever also too again once twice then
    now here there today tomorrow tonight yesterday soon later away anyway instead
    together alone back very really just only even still always often
    """
)
# Behind one of these, "her" before a plain verb is the object ("let her go").
_CAUSATIVES = _words(
    """
    let lets letting make makes made making help helps helped helping see sees saw
    seen watch watches watched hear hears heard feel felt have had having
    """
)
_PLAIN_VERBS = _words(
    """
    go come leave stay feel know think see look understand find get take give make
    do be have keep learn choose decide pay speak talk walk run sit stand sleep eat
    drink die live work play sing read write win lose pass move enter return become
    seem realize
    """
)
_WORD = re.compile(r"\s*([^\W\d_]+)?")
_LAST_WORD = re.compile(r"([^\W\d_]+)\s*$")


def _stands_alone(text, start, end):
    """Whether the pronoun at text[start:end] has no noun behind it."""
    follows = _WORD.match(text, end)
    word = (follows.group(1) or "").lower()
    # The predicate sees the same before and after a swap, so that two of them cancel.
    if not word or word in _AFTER_OBJECT:
        return True
    if word.endswith("ly"):
        # "told her immediately." and "her newly built house"
        after = (_WORD.match(text, follows.end()).group(1) or "").lower()
        return not after or after in _AFTER_OBJECT
    before = _LAST_WORD.search(text, 0, start)
    caused = before is not None and before.group(1).lower() in _CAUSATIVES
    return caused and word in _PLAIN_VERBS


def _english_rules():
    """Pronouns whose counterpart depends on what follows."""
    return {
        "him": lambda *place: "her",
        "her": lambda *place: "him" if _stands_alone(*place) else "his",
        "his": lambda *place: "hers" if _stands_alone(*place) else "her",
        "hers": lambda *place: "his",
    }


_CHINESE_PAIRS = """
他 她, 男 女, 爸爸 妈妈, 父亲 母亲, 哥哥 姐姐, 弟弟 妹妹, 兄弟 姐妹, 儿子 女儿,
丈夫 妻子, 老公 老婆, 爷爷 奶奶, 外公 外婆, 叔叔 阿姨, 舅舅 姨妈, 岳父 岳母, 孙子 孙女,
侄子 侄女, 先生 小姐, 国王 女王, 皇帝 皇后, 王子 公主, 帅哥 美女, 小伙子 小姑娘,
新郎 新娘, 公公 婆婆
"""
_CHINESE_PROTECTED = """
其他 吉他 他人 他国 他乡 他日 他杀 他山之石 利他 排他 无他 男女 子女 儿女 妇女 男儿 女娲
处女作 女真 汝女
"""


# Name -> (pairs, pronoun rules, phrases to leave alone).
TERM_SETS = {
    "english_gender": (
        _pairs(_ENGLISH_PAIRS),
        _english_rules(),
        ["s/he", "mother tongue", "lady bug", "queen bee", "king size"],
    ),
    "chinese_gender": (_pairs(_CHINESE_PAIRS), {}, _CHINESE_PROTECTED.split()),
}
