"""Compare languages: containers use codes of three letters, people of two or three.

ISO 639: https://www.loc.gov/standards/iso639-2/php/code_list.php
"""

from __future__ import annotations

# The code of two letters, then that of three; if there are two of these, for terminology and for
# bibliography, both occur in files.
_CODES = """
af afr,am amh,ar ara,as asm,az aze,be bel,bg bul,bn ben,bo bod tib,br bre,bs bos,ca cat,cs ces cze,
cy cym wel,da dan,de deu ger,el ell gre,en eng,eo epo,es spa,et est,eu eus baq,fa fas per,fi fin,
fo fao,fr fra fre,fy fry,ga gle,gd gla,gl glg,gu guj,ha hau,he heb,hi hin,hr hrv scr,hu hun,
hy hye arm,id ind,ig ibo,is isl ice,it ita,ja jpn,jv jav,ka kat geo,kk kaz,km khm,kn kan,ko kor,
ku kur,ky kir,la lat,lb ltz,ln lin,lo lao,lt lit,lv lav,mg mlg,mi mri mao,mk mkd mac,ml mal,mn mon,
mr mar,ms msa may,mt mlt,my mya bur,ne nep,nl nld dut,nn nno,no nor nb nob,oc oci,or ori,pa pan,
pl pol,ps pus,pt por,qu que,rm roh,ro ron rum,ru rus,rw kin,sa san,sd snd,si sin,sk slk slo,sl slv,
sm smo,sn sna,so som,sq sqi alb,sr srp scc,st sot,su sun,sv swe,sw swa,ta tam,te tel,tg tgk,th tha,
ti tir,tk tuk,tl tgl,tn tsn,to ton,tr tur,tt tat,ug uig,uk ukr,ur urd,uz uzb,vi vie,wo wol,xh xho,
yi yid,yo yor,zh zho chi,zu zul
"""
_FIRST = {
    code: group.split()[0]
    for group in _CODES.replace("\n", "").split(",")
    for code in group.split()
}


def same_language(one: str, other: str) -> bool:
    """Return whether *one* and *other* are the same language, such as "ger", "deu", "de" and "de-AT"."""
    return _plain(one) == _plain(other)


def _plain(code: str) -> str:
    code = code.lower().replace("_", "-").split("-")[0]
    return _FIRST.get(code, code)
