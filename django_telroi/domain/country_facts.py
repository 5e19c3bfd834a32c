"""Names, codes and example numbers of the regions that have phone numbers.

The table has the countries of ISO 3166-1, and Ascension Island, Tristan da Cunha and Kosovo: all regions that
libphonenumber supports. ``country_names.json`` has their names in the languages of our catalogues. For other languages
``phonenumbers`` has some names, and ``phonenumberslite`` has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from unicodedata import combining, normalize

SAME_AS = "*"
"""The names of ``phonenumbers`` have ``*aa`` for the name in the language ``aa``."""

_TABLE = """
AC ASC Ascension Island; AD AND Andorra; AE ARE United Arab Emirates; AF AFG Afghanistan; AG ATG Antigua & Barbuda; AI
AIA Anguilla; AL ALB Albania; AM ARM Armenia; AO AGO Angola; AR ARG Argentina; AS ASM American Samoa; AT AUT Austria;
AU AUS Australia; AW ABW Aruba; AX ALA Åland Islands; AZ AZE Azerbaijan; BA BIH Bosnia & Herzegovina; BB BRB Barbados;
BD BGD Bangladesh; BE BEL Belgium; BF BFA Burkina Faso; BG BGR Bulgaria; BH BHR Bahrain; BI BDI Burundi; BJ BEN Benin;
BL BLM St Barthelemy; BM BMU Bermuda; BN BRN Brunei; BO BOL Bolivia; BQ BES Caribbean Netherlands; BR BRA Brazil; BS
BHS Bahamas; BT BTN Bhutan; BW BWA Botswana; BY BLR Belarus; BZ BLZ Belize; CA CAN Canada; CC CCK Cocos Islands; CD
COD Democratic Republic of the Congo; CF CAF Central African Rep.; CG COG Congo; CH CHE Switzerland; CI CIV Côte
d'Ivoire; CK COK Cook Islands; CL CHL Chile; CM CMR Cameroon; CN CHN China; CO COL Colombia; CR CRI Costa Rica; CU CUB
Cuba; CV CPV Cape Verde; CW CUW Curaçao; CX CXR Christmas Island; CY CYP Cyprus; CZ CZE Czech Republic; DE DEU
Germany; DJ DJI Djibouti; DK DNK Denmark; DM DMA Dominica; DO DOM Dominican Republic; DZ DZA Algeria; EC ECU Ecuador;
EE EST Estonia; EG EGY Egypt; EH ESH Western Sahara; ER ERI Eritrea; ES ESP Spain; ET ETH Ethiopia; FI FIN Finland; FJ
FJI Fiji; FK FLK Falkland Islands; FM FSM Micronesia; FO FRO Faroe Islands; FR FRA France; GA GAB Gabon; GB GBR United
Kingdom; GD GRD Grenada; GE GEO Georgia; GF GUF French Guiana; GG GGY Guernsey; GH GHA Ghana; GI GIB Gibraltar; GL GRL
Greenland; GM GMB Gambia; GN GIN Guinea; GP GLP Guadeloupe; GQ GNQ Equatorial Guinea; GR GRC Greece; GT GTM Guatemala;
GU GUM Guam; GW GNB Guinea-Bissau; GY GUY Guyana; HK HKG Hong Kong; HN HND Honduras; HR HRV Croatia; HT HTI Haiti; HU
HUN Hungary; ID IDN Indonesia; IE IRL Ireland; IL ISR Israel; IM IMN Isle of Man; IN IND India; IO IOT British Indian
Ocean Territory; IQ IRQ Iraq; IR IRN Iran; IS ISL Iceland; IT ITA Italy; JE JEY Jersey; JM JAM Jamaica; JO JOR Jordan;
JP JPN Japan; KE KEN Kenya; KG KGZ Kyrgyzstan; KH KHM Cambodia; KI KIR Kiribati; KM COM Comoros; KN KNA St Kitts &
Nevis; KP PRK North Korea; KR KOR South Korea; KW KWT Kuwait; KY CYM Cayman Islands; KZ KAZ Kazakhstan; LA LAO Laos;
LB LBN Lebanon; LC LCA St Lucia; LI LIE Liechtenstein; LK LKA Sri Lanka; LR LBR Liberia; LS LSO Lesotho; LT LTU
Lithuania; LU LUX Luxembourg; LV LVA Latvia; LY LBY Libya; MA MAR Morocco; MC MCO Monaco; MD MDA Moldova; ME MNE
Montenegro; MF MAF Saint Martin; MG MDG Madagascar; MH MHL Marshall Islands; MK MKD North Macedonia; ML MLI Mali; MM
MMR Myanmar; MN MNG Mongolia; MO MAC Macau; MP MNP Northern Mariana Islands; MQ MTQ Martinique; MR MRT Mauritania; MS
MSR Montserrat; MT MLT Malta; MU MUS Mauritius; MV MDV Maldives; MW MWI Malawi; MX MEX Mexico; MY MYS Malaysia; MZ MOZ
Mozambique; NA NAM Namibia; NC NCL New Caledonia; NE NER Niger; NF NFK Norfolk Island; NG NGA Nigeria; NI NIC
Nicaragua; NL NLD Netherlands; NO NOR Norway; NP NPL Nepal; NR NRU Nauru; NU NIU Niue; NZ NZL New Zealand; OM OMN
Oman; PA PAN Panama; PE PER Peru; PF PYF French Polynesia; PG PNG Papua New Guinea; PH PHL Philippines; PK PAK
Pakistan; PL POL Poland; PM SPM St Pierre & Miquelon; PR PRI Puerto Rico; PS PSE Palestine; PT PRT Portugal; PW PLW
Palau; PY PRY Paraguay; QA QAT Qatar; RE REU Réunion; RO ROU Romania; RS SRB Serbia; RU RUS Russia; RW RWA Rwanda; SA
SAU Saudi Arabia; SB SLB Solomon Islands; SC SYC Seychelles; SD SDN Sudan; SE SWE Sweden; SG SGP Singapore; SH SHN St
Helena; SI SVN Slovenia; SJ SJM Svalbard & Jan Mayen; SK SVK Slovakia; SL SLE Sierra Leone; SM SMR San Marino; SN SEN
Senegal; SO SOM Somalia; SR SUR Suriname; SS SSD South Sudan; ST STP Sao Tome & Principe; SV SLV El Salvador; SX SXM
Sint Maarten; SY SYR Syria; SZ SWZ Eswatini; TA TAA Tristan da Cunha; TC TCA Turks & Caicos Is; TD TCD Chad; TG TGO
Togo; TH THA Thailand; TJ TJK Tajikistan; TK TKL Tokelau; TL TLS East Timor; TM TKM Turkmenistan; TN TUN Tunisia; TO
TON Tonga; TR TUR Turkey; TT TTO Trinidad & Tobago; TV TUV Tuvalu; TW TWN Taiwan; TZ TZA Tanzania; UA UKR Ukraine; UG
UGA Uganda; US USA United States; UY URY Uruguay; UZ UZB Uzbekistan; VA VAT Vatican City; VC VCT St Vincent; VE VEN
Venezuela; VG VGB British Virgin Islands; VI VIR US Virgin Islands; VN VNM Vietnam; VU VUT Vanuatu; WF WLF Wallis &
Futuna; WS WSM Samoa; XK XKX Kosovo; YE YEM Yemen; YT MYT Mayotte; ZA ZAF South Africa; ZM ZMB Zambia; ZW ZWE Zimbabwe
"""
_ROWS = [row.split(maxsplit=2) for row in _TABLE.replace("\n", " ").split(";")]

COUNTRY_NAMES = {two: name for two, _three, name in _ROWS}
"""The English name of each region, by its two letters."""

REGION_BY_THREE_LETTERS = {three: two for two, three, _name in _ROWS}


def calling_code(region: str) -> str:
    """Return the country code of the region, such as ``+234``. ``""`` for a region that has none."""
    import phonenumbers

    code = phonenumbers.country_code_for_region(region)
    return f"+{code}" if code else ""


def country_name(region: str, language: str) -> str:
    """Return the name of the region in the language, else in English, else the region itself.

    ``language`` is a BCP 47 tag such as ``pt-BR``.
    """
    main_language = language.split("-", maxsplit=1)[0].lower()
    if name := _own_names().get(main_language, {}).get(region):
        return name
    names = _names().get(region, {})
    for key in (main_language, "en"):
        name = names.get(key, "")
        name = names.get(name[1:], "") if name.startswith(SAME_AS) else name
        if name:
            return name
    return COUNTRY_NAMES.get(region, region)


def name_order(name: str) -> str:
    """Return the key by which names of countries are sorted: without accents, so that Åland is not the last one."""
    return "".join(each for each in normalize("NFKD", name) if not combining(each)).casefold()


@cache
def example_number(region: str) -> str:
    """Return an example of a mobile number of the region, in E.164. ``""`` for a region without numbers."""
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType

    example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    return phonenumbers.format_number(example, PhoneNumberFormat.E164) if example else ""


@cache
def national_example(region: str) -> str:
    """Return the number of ``example_number`` as people of the region write it, such as ``0802 123 4567``."""
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType

    example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    return phonenumbers.format_number(example, PhoneNumberFormat.NATIONAL) if example else ""


@cache
def _own_names() -> Mapping[str, Mapping[str, str]]:
    """Return the names by language and region."""
    names: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("country_names.json").read_text("utf-8"))
    return names


@cache
def _names() -> Mapping[str, Mapping[str, str]]:
    """Return the names by region and language, or no names if this edition of ``phonenumbers`` has no such table."""
    import phonenumbers

    # Importing ``phonenumbers.geodata`` would load the places of all prefixes too, which takes some seconds. So only
    # the file with the names is loaded.
    name = "phonenumbers.geodata.locale"
    spec = spec_from_file_location(name, Path(str(phonenumbers.__file__)).parent / "geodata" / "locale.py")
    if spec is None or spec.loader is None:
        return {}
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except OSError:
        return {}
    names: dict[str, dict[str, str]] = module.LOCALE_DATA
    return names
