"""Writes the sample data of the project: an invented newswire with named entities, and word vectors
that belong to it.

    python etc/make_sample.py
    python etc/make_sample.py --seed 7 --out_dir elsewhere --no_vectors

The files are data/sample/{train,dev,test}.txt and embeddings/sample.50d.txt. Every name and every
sentence comes from this program: names are built from syllables, and GRAMMAR says how the news is
written. A share of the names, and of the ways to write a sentence, is held out of train.txt, so
that the other files test a tagger on names that it has never seen. The vectors are a truncated SVD
(Levy and Goldberg 2014) of the PPMI word-context matrix of a larger text from the same grammar. The
same --seed gives the same files.
"""

import collections
import functools
import os
import random
import re
import sys
from typing import NamedTuple

import numpy as np

import _top
from cli import Parser, UserError, atomic_write, run_command

SEED = 2003
SPLITS = {"train": 2000, "dev": 400, "test": 400}  # sentences, without the -DOCSTART- lines
VECTOR_SENTENCES = 24000
VECTOR_DIM = 50
MIN_COUNT = 4  # rarer words get no vector
MAX_WORDS = 4000  # words with a vector
CONTEXTS = 900  # most frequent words that count as context, on the left and on the right
WINDOW = 3
UNSEEN = 0.1  # how often dev and test take a held-out name
ODD = 0.25  # how often a name has the ending of another kind of name
NEW_PATTERNS = 5  # one in so many ways to write a sentence is kept from train.txt
AGAIN = 0.4  # how often a document returns to a name that it has used
LEAD = 0.15  # how often a sentence of the news opens with a place, a source or an adverb
MAX_LENGTH = 40  # tokens of a sentence

# ---------------------------------------------------------------- the grammar
#
# A rule begins with a line `name:` or `name TYPE:`. Its alternatives follow, one on a line or
# several separated by ` | `; a line that begins with eight spaces goes on with the line above. `*3`
# at the beginning of a line makes its alternatives three times as likely. What a rule with a TYPE
# gives is one entity of that type.
#   {rule}  another rule, or in capitals a pool of names or numbers (see make_names, WORD_POOLS and
#           NUMBERS)
#   [ ]     a noun phrase; < > a verb phrase; outside of both, the part of speech of a word decides
#           its chunk (see CHUNK_OF)
#   ( )     may be left out
#   word_X  a word with part of speech X; without _X, guess_pos decides
#   +x      joined to the word before; LPAR and RPAR are parentheses

GRAMMAR = """
person PER:
    *12 {GIVEN} {SURNAME}
    {GIVEN} {INITIAL} {SURNAME} | {INITIAL} {SURNAME} | {GIVEN} {SURNAME} +- +{SURNAME}
    {GIVEN} van_NNP {SURNAME}
surname PER:
    *5 {FAMOUS}
    {SURNAME}
shortname PER:
    {INITIAL} {SURNAME}
city LOC:
    {CITY}
country LOC:
    {COUNTRY}
region LOC:
    {CITY} Valley | Lake {CITY} | Mount {SURNAME} | Cape {CITY} | North {COUNTRY} | {CITY} Province
    Port {SURNAME}
    {SURNAME} Bay | {CITY} River | Upper {CITY} | {SURNAME} Island
street LOC:
    {SURNAME} Street | {CITY} Airport | {SURNAME} Bridge | {CITY} Square | {SURNAME} Park
place:
    *6 {city}
    {region}
cityland:
    *2 {city}
    {city} , {country} ,
club ORG:
    *18 {CLUBTOWN}
    {CLUBTOWN} United | {CLUBTOWN} Rovers | FC {CLUBTOWN} | Dynamo {CLUBTOWN} | {CLUBTOWN} Athletic
company ORG:
    *3 {COMPANY} Corp | {COMPANY} Inc | {SURNAME} Ltd
    {SURNAME} Industries | {SURNAME} & {SURNAME} | {COUNTRY} Airlines | {SURNAME} Brothers
    {CITY} Steel
    {COMPANY} Pharmaceuticals | {NATION} Telecom | {NATION} Railways | {SURNAME} Motors
    {COMPANY} Holdings
    {CITY} Power & Light | {SURNAME} , {SURNAME} & Co
firm ORG:
    *8 {COMPANY}
    *3 {ACRONYM}
    {SURNAME}
bank ORG:
    Bank of {CITY} | Bank of {COUNTRY} | {SURNAME} & {SURNAME} Bank | First {CITY} Bank
    National Bank of {COUNTRY}
    {COMPANY} Securities | {SURNAME} Capital
business:
    *4 {firm}
    *2 {company}
    {bank}
university ORG:
    *3 University of {CITY}
    {CITY} University | {SURNAME} College | {CITY} Institute of Technology | {SURNAME} Institute
agency ORG:
    *12 {ACRONYM}
    Ministry of Finance | Foreign Ministry | Ministry of Health | Supreme Court
    {CITY} Police Department
    Central Bank of {COUNTRY} | National Weather Office | {CITY} City Council
    {NATION} Football Federation
party ORG:
    Liberal Party | {NATION} People 's Party | Democratic Union | {COUNTRY} First | Green Alliance
    {SURNAME} Party
    *6 {ACRONYM}
paper ORG:
    {CITY} Herald | {CITY} Times | {SURNAME} Post | {COUNTRY} Today
nation MISC:
    {NATION}
nationals MISC:
    {NATIONALS}
tournament MISC:
    {CITY} Open | {NATION} Grand Prix | {SURNAME} Cup | {CITY} Marathon | Tour of {COUNTRY}
    {NATION} Open
    {CITY} Games | {COMPANY} Classic | World Cup | {SURNAME} Trophy
pact MISC:
    Treaty of {CITY} | {CITY} Accord | {SURNAME} Plan | {SURNAME} Act | Battle of {CITY}
    {CITY} Declaration
prize MISC:
    {SURNAME} Prize | {CITY} Film Festival | {COMPANY} Award | Festival of {CITY}
title MISC:
    The_DT {TITLEWORD} of {CITY} | {TITLEWORD} and_CC {TITLEWORD} | A_DT {TITLEWORD} in {COUNTRY}
    {GIVEN} and_CC {GIVEN}
    The_DT {TITLEWORD} | My_PRP$ {TITLEWORD} | {CITY} | {SURNAME} 's {TITLEWORD}
product MISC:
    {COMPANY} {MODEL} | {SURNAME} {MODEL} | {COMPANY} +-100_NNP | {COMPANY} +-7_NNP
based MISC:
    {CITY} +-based_JJ | {NATION} +-born_JJ | {COUNTRY} +-based_JJ | {SURNAME} +-led_JJ

weekday:
    Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday
month:
    January | February | March | April | May | June | July | August | September | October | November
    December
when:
    on {weekday} | late_RB on {weekday} | on [{weekday} evening] | in {month}
    earlier_RBR [this week]
    [last_JJ {weekday}] | on [{month} {DAY}] | overnight_RB
said:
    *8 said
    told reporters | announced | confirmed | added | insisted
office:
    President | Prime Minister | Governor | Senator | Mayor | Judge | General | Foreign Minister
job:
    analyst | economist | lawyer | dealer | spokeswoman | spokesman | trader | director | adviser
profession:
    painter | novelist | composer | singer | architect | poet | actress | pianist | conductor
    photographer
players:
    striker | midfielder | goalkeeper | captain | defender | winger | coach | substitute
staff:
    doctors | farmers | miners | teachers | nurses | engineers | villagers | students | drivers
    fishermen | pilots
officials:
    officials | diplomats | ministers | police | troops | negotiators | lawmakers | soldiers
goods:
    wheat | copper | cotton | coffee | timber | gas | oil | sugar | steel | coal | rice | cocoa
    tin
crop:
    barley | maize | apples | grapes | olives | wheat | tea
sector:
    banking | mining | retail | shipping | farming | energy | tourism | insurance
updown:
    rose | fell | climbed | slipped | jumped | dropped | gained | edged_VBD lower_JJR | eased
adjective:
    new | controversial | modest | bitter | early | costly | surprising | difficult | brief | small
    major | secret
group:
    committee | commission | board | crowd | delegation | panel | jury | union | cabinet | council
event:
    strike | vote | meeting | election | inquiry | summit | trial | merger | dispute | flood | fire
    crisis | harvest
bodypart:
    knee | ankle | shoulder | hamstring | back | wrist
animal:
    whales | wolves | bees | eagles | bats | salmon | beetles | cranes
disease:
    malaria | influenza | asthma | diabetes | cholera | measles
damage:
    roads | bridges | roofs | farms | power lines | crops | houses | schools
who:
    *4 {person}
    [{office} {person}] | [{office} {surname}] | [Mr. {surname}] | [Dr. {surname}]
    [Mrs. {surname}]
official:
    [{office} {person}] | [{office} {surname}] | [{nation} {office} {person}]
    {person} , [a {nation} minister] ,
    {person} , [the {group} 's chairman] ,
    [{country} 's foreign minister] , {person} , | [a spokesman] for [the {agency}]
what:
    *4 [the {event}]
    [the {adjective} {event}] | [the {event}] in {place} | [the {nation} {event}]
    [last_JJ month 's {event}]
    [the {event}] over [{goods}] | [the {event}] at {actor}
    [a {event}] that_WDT {surname} <called> [a {adjective} mistake]
    [the {event}] and [the {adjective} {event}] in {city}
man:
    *4 {person}
    {person} , {AGE} , | {person} of {country} | [the {profession} {person}]
    {person} , [a former {nation} {profession}] ,
    {person} , [a {nation} {profession}] at [the {university}] ,
    {person} , [whose_WP$ {relative}] <came_VBD> from {cityland} ,
relative:
    father | mother | brother | sister | daughter | son | wife | husband
actor:
    *3 {surname}
    *3 {firm}
    {city} | {club} | {country} | {party} | {acronym}
acronym ORG:
    {ACRONYM}
mood:
    cool_JJ | warm_JJ | poor_JJ | good_JJ | tense_JJ
townish:
    small | old | quiet_JJ | busy_JJ | poor_JJ | pretty_JJ
ordinal:
    first_JJ | second_JJ | third_JJ | fourth_JJ | last_JJ
tail:
    ( ( , {sourced} ) )
lead:
    in {city} , | meanwhile_RB , | separately , | according_VBG to [the {paper}] , | {actor} <said>
    in {country} ,
    [the {agency}] <said>
general:
    *2 {actor} <blamed> {actor} for {what} .
    *2 {actor} <declined to comment_VB> on {what} {when} .
    *2 [talks] with {actor} <resumed> {when} , {sourced} .
    *2 {what} <hurt_VBD> {actor} [more_JJR] than {actor} , {sourced} .
    *2 {actor} <welcomed> [the {pact}] , but {actor} <called> [it] [a {adjective} mistake] .
    *2 [relations] between {actor} and {actor} <are> {mood} , {sourced} .
    *2 [all eyes] <were> on {actor} {when} .
    *2 [he] <told> {actor} that {clause} .
    *2 [a spokesman] for {actor} {said} that {clause} .
    *2 " [they] <never_RB forgave_VBD> {actor} , " {actor} {said} {when} .
    *2 without [the support] of {actor} , {actor} <will lose_VB> , [the {paper}] <wrote> .
    [the {surname} family] <moved> from {city} to {city} in {YEAR} .
    {city} <is> [a {townish} town] of [{BIG} people] in [low_JJ hills] near {region} .
    [the mayor] of {city} , {man} , <thanked> {club} and {firm} .
    {firm} , {firm} and {firm} <sponsor_VBP> [the {tournament}] .
    [{surname} 's {relative}] , {person} , <works_VBZ> for {business} in {cityland} .
    {surname} <knows_VBZ> {city} well_RB : [it] <is> [the town] where_WRB [he] <met_VBD> [his
        {relative}] .
    [{goods}] from {place} <goes_VBZ> to {country} by [ship] , {sourced} .
    {who} <spoke_VBD> at [the {university}] {when} about {what} .
    [the {paper}] <called> {surname} " [the best_JJS {profession}] in {country} " .
    [few_JJ {nationals}] <remember_VBP> {what} , but {surname} <has_VBZ not_RB forgotten_VBN> .
    {clause} , and {clause} , {sourced} .
    {city} and {city} <are> [twin_JJ towns] , but {club} and {club} <are> [old_JJ rivals] .
    {what} <surprised> [{nation} {officials}] and [{business} {staff}] alike_RB .
    [a statue] of {person} <stands_VBZ> on {street} in {city} .
    {surname} , {surname} and {surname} <left_VBD> {firm} {when} <to join_VB> {firm} .
    [visitors] from {country} <like_VBP> {place} , [{surname} 's {relative}] <told> [the {paper}] .
    [young_JJ {nationals}] <speak_VBP> {nation} at [home] , {person} <wrote> in " {title} " .
    [winter_NN] <came_VBD> early_RB to {place} , and [{staff}] <asked> [the {agency}] for [help] .
    [market_NN day] in {city} <is> on [{weekday}] , and [{person}] <sells_VBZ> [{crop}] from
        {region} .
speaker:
    *3 {who}
    {surname}
    {person} , [a {job}] at [{business}] , | {person} of [the {university}]
    [one {job}] | [a {job}] with [{bank}]
clause:
    [it] <was> [a {adjective} decision] | {what} <had_VBD cost_VBN> [the country] [{MONEY} million]
    [there] <was> [no {adjective} evidence] | [they] <would wait_VB> for [the {group}]
    {actor} <had_VBD broken_VBN> [the {pact}] | {what} <would end_VB> {when}
    [{person}] <would lead_VB> [the {group}]
    [{nation} {officials}] <were_VBD not_RB told_VBN> about {what}
    {actor} <had_VBD paid_VBN> [too_RB little] | [nothing] <had_VBD changed_VBN> since {YEAR}
    [the {event}] in {place} <was_VBD over_RB>
    [the {surname} family] <had_VBD left_VBN> [the country]
quote:
    [We] <did_VBD not_RB expect_VB> [this {event}] | [This] <is> [a {adjective} day] for {country}
    [The {event}] <has_VBZ taught_VBN> [us] [a {adjective} lesson]
    [I] <will> never_RB <go_VB> back_RB to {city}
    [You] <can_MD not_RB stop_VB> [the {nationals}]
    [{surname}] <was> [the best_JJS player] on [the field]
    [Nobody] at {actor} <wanted> [this] | [We] <trust_VBP> {actor}
    [I] <owe_VBP> [everything] to {actor}
    [{club}] <were> simply_RB [the better_JJR side] | [Our_PRP$ {staff}] <are> tired_JJ
reason:
    after {what} | because {clause} | despite [a {adjective} {event}] | following_VBG {what}
    while_IN {clause} | amid [fears] of [a {adjective} {event}] | ahead_RB of [the {tournament}]

sport:
    *3 {club} <beat_VBD> {club} {GOALS} ( in [the {tournament}] ) {when} {tail} .
    {club} <drew_VBD> {DRAW} with {club} ( after [a goal] by {surname} ) {when} {tail} .
    {country} <beat_VBD> {country} {GOALS} in [a {tournament} qualifier] in {city} {when} {tail} .
    [{club} {players} {person}] <scored> [{COUNT} goals] in [the {GOALS} victory] over {club} .
    *2 {person} <beat_VBD> {person} {SETS} {SETS} ( {when} ) <to reach_VB> [the final] of [the
        {tournament}] .
    {surname} , {YOUNG} , <beat_VBD> {surname} {SETS} {SETS} in [the {tournament}] .
    [{nation} {players} {person}] <will miss_VB> [the match] against {country} with [a {bodypart}
        injury] .
    [{nation} champion] {person} <won> [the {tournament}] {when} , [{COUNT} seconds] ahead_RB of
        {man} .
    {club} <signed> [{nation} {players} {person}] from {club} for [{MONEY} million] {when} {tail} .
    [{club} coach {person}] <resigned> {when} ( {reason} ) .
    {surname} <scored> twice_RB as_IN {club} <moved> to [the top] of [the table] with [a {GOALS}
        win] at {club} .
    {surname} , [the {nation} {players}] , <joined> {club} from {club} [last_JJ year] .
    " {quote} , " <said> [{club} coach {surname}] .
    [champions {club}] <travel_VBP> to {city} {when} <to meet_VB> {club} .
    {man} <set_VBD> [a world record] of [{COUNT} metres] at [the {tournament}] in {city} {when}
        {tail} .
    [the {nationals}] <lost_VBD> [their opening match] to {country} , but [{surname}] <was_VBD
        not_RB worried_JJ> .
    {man} <saved> [a penalty] before [{surname}] <headed> [{club}] into [the lead] in [the
        {MINUTE} minute] .
    [the referee] , {person} of {country} , <sent> [{club} {players} {surname}] off_RP in [the
        {MINUTE} minute] .
    [young_JJ players] from {club} <trained> in {city} {when} {tail} .
    [the draw] for [the {tournament}] : {country} v_IN {country} , {country} v_IN {country} .
    {club} <have_VBP won_VBN> [{COUNT} matches] in [a row] , and [{club}] <have_VBP lost_VBN>
        [{COUNT}] .
scores:
    *4 {club} {DIGIT} {club} {DIGIT}
    *3 {club} {DIGIT} {DIGIT} {DIGIT} {DIGIT} {COUNT} {COUNT} {COUNT}
    *2 {DIGIT} +._CD {person} LPAR {country} RPAR {TIME}
    *3 {shortname} LPAR {country} RPAR beat_VBD {shortname} LPAR {country} RPAR {SETS} {SETS}
    {country} {DIGIT} {country} {DIGIT} LPAR halftime {GOALS} RPAR
    Scorers : {surname} {DIGIT} , {surname} {COUNT} , {COUNT} LPAR penalty RPAR
    Attendance : {BIG}
sport_head:
    {club} BEAT_VBD {club} IN {tournament} | {surname} WINS_VBZ {tournament}
    {club} SIGN_VBP [{nation} STRIKER]
    SOCCER - {club} HELD_VBN BY {club} | TENNIS - {surname} THROUGH_RB TO FINAL
    [{tournament} RESULTS]
    CYCLING - {surname} LEADS_VBZ {tournament} | {country} NAME_VBP TEAM FOR {city}
    SOCCER - [{nation} LEAGUE STANDINGS]

market:
    [shares] in [{business}] {updown} [{PERCENT} percent] to [{MONEY} {currency}] {when} {tail} .
    *2 {business} <said> {when} [it] <would cut_VB> [{BIG} jobs] in {cityland} {reason} .
    {business} <agreed to buy_VB> {business} for [{MONEY} million {currency}] {when} {tail} .
    {business} <posted> [a net profit] of [{MONEY} million {currency}] , up_RB from [{MONEY}
        million] [a year] earlier_RBR .
    [{goods} prices] {updown} [{PERCENT} percent] in {city} {when} , {sourced} .
    [the {nation} {currency}] {updown} against [the {nation} {currency}] {when} {reason} .
    [price rises_NNS] in {country} <worried> [{bank} {job}] {person} , [who] <expected> [{PERCENT}
        percent] [this year] .
    {based} {firm} <named> {person} [its {adjective} chief executive] {when} {tail} .
    [{based} company] {business} <opened> [a factory] near {place} {when} {tail} .
    {firm} , [which_WDT] <owns_VBZ> {firm} , <said> [sales] of [the {product}] <had_VBD
        doubled_VBN> in {country} .
    [banks] in {city} <cut_VBD> [their lending rates] {when} {reason} .
    [{nation} inflation] <slowed> to [{PERCENT} percent] in {month} , [the {agency}] <said> .
    " {quote} , " <said> {person} , [a {job}] at {bank} .
    {firm} <rose_VBD> [{PERCENT} percent] on [the {city} exchange] , and [{firm}] <lost_VBD>
        [{PERCENT}] .
    [{business} chairman] {person} <sold> [{BIG} shares] to {business} {when} {tail} .
    {person} , [founder] of {firm} , <died> in {city} {when} at [the age] of [{AGE}] .
    [summit talks] between {country} and {country} on [{goods} quotas] <failed> {when} {tail} .
    [the {sector} sector] in {country} <shrank_VBD> by [{PERCENT} percent] in {YEAR} , {sourced} .
    {bank} <lent_VBD> [{firm}] [{MONEY} million {currency}] <to build_VB> [a {goods} plant] in
        {region} .
    [{product} sales] <helped> [{firm}] to [a {adjective} profit] , but {firm} <lost_VBD> [money] .
    [harvest delays] <pushed> [{goods}] higher_RBR in {city} , where_WRB [{job} {surname}]
        <saw_VBD> [little trade] .
    {firm} and {firm} <called> off_RP [their merger] {when} , and {surname} <resigned> .
currency:
    crowns | marks | florins | dollars | ducats
sourced:
    *2 {actor} <said>
    *3 [the {agency}] <said>
    *3 {speaker} <said>
    [the {paper}] <reported> | according_VBG to {actor}
market_head:
    [{firm} SHARES] {updown} {when} | {business} <TO CUT_VB> [{BIG} JOBS]
    {firm} BUYS_VBZ {firm} | [{nation} INFLATION] SLOWS_VBZ
    [{city} STOCKS] CLOSE_VBP HIGHER_RBR | {bank} CUTS_VBZ RATES
    [{goods} PRICES] - {city} | {firm} NAMES_VBZ {surname} CHAIRMAN

politics:
    *2 {official} {said} {when} that {clause} .
    {official} <arrived> in {city} {when} for [talks] with {official} .
    [{nation} {officials}] <met_VBD> [their {nation} counterparts] in {cityland} {when} {reason} .
    [the {party}] <won> [{COUNT} seats] in [the {nation} parliament] , {sourced} .
    {country} and {country} <signed> [the {pact}] {when} , <ending_VBG> [a {adjective} {event}]
        over {region} .
    {person} , [leader] of [the {party}] , <accused> {official} of <hiding_VBG> {what} .
    [the {nation} {group}] <rejected> [a {adjective} plan] by {who} <to close_VB> [{BIG} schools] .
    [{BIG} people] <marched> through {city} {when} against {surname} and [his_PRP$ {party} allies] .
    " {quote} , " {who} {said} in {city} {when} {tail} .
    " {quote} , " <said> {surname} , [who] <leads_VBZ> [the {party}] .
    {country} <recalled> [its ambassador] to {country} {when} {reason} .
    {country} , [which] <borders_VBZ> {country} and {country} , <closed> [its {adjective} embassy]
        in {city} .
    [{nation} troops] <left_VBD> {region} {when} under [the {pact}] .
    [a court] in {city} <jailed> {man} for [{COUNT} years] {when} {tail} .
    [the {agency}] <denied> [a report] in [the {paper}] that {clause} .
    [crown_NN prosecutors] <charged> {man} {when} , {sourced} .
    {who} , {AGE} , <was_VBD elected_VBN> [mayor] of {city} in {YEAR} .
    [voters] in {city} <chose> {man} over {person} by [{BIG} votes] .
    [most {nationals}] <oppose_VBP> [the {pact}] , {sourced} .
    {speaker} {said} {country} <would not_RB join_VB> [the {agency}] before {month} .
    [the_DT {pact}] , <signed_VBN> in {YEAR} , <gave> {region} to [the {nationals}] .
    [{office} {surname}] <flew> from {city} to {city} {when} , {sourced} .
    [the_DT {surname} government] <fell> {when} {reason} .
politics_head:
    {country} , {country} SIGN_VBP {pact} | {surname} MEETS_VBZ [{nation} LEADER]
    [{nation} ELECTION] SET_VBN FOR {month}
    {surname} DENIES_VBZ REPORT | {country} CLOSES_VBZ EMBASSY IN {city}
    {party} WINS_VBZ [{city} VOTE]

weather:
    [heavy_JJ snow] <cut_VBD off_RP> {place} {when} , and [{city} airport] <was_VBD closed_VBN> .
    [a storm] <damaged> [{damage}] in {cityland} {when} , {sourced} .
    [frost] <damaged> [{crop}] across {region} {when} {tail} .
    [winter storms] <killed> [{COUNT} {staff}] near {place} {when} {tail} .
    [rivers] in {country} <burst_VBD> [their banks] {reason} , and [{BIG} people] <left_VBD>
        {city} .
    {place} <recorded> [{COUNT} degrees] {when} , [the_DT coldest_JJS day] since {YEAR} .
    [rain] <will spread_VB> from {region} to {city} by {weekday} , [the {agency}] <said> .
    [an earthquake] <shook_VBD> {place} {when} , {sourced} .
    [{staff}] in {place} <lost_VBD> [{PERCENT} percent] of [their {crop}] , {who} <said> .
    [Hurricane {storm}] <moved> toward {region} with [winds] of [{COUNT} miles] [an hour] .
    " {quote} , " <said> {person} , [who_WP] <farms_VBZ> near {city} .
    {city} : cloudy_JJ , [{COUNT} degrees] ; {city} : sunny_JJ , [{COUNT}] ; {city} : rain ,
        [{COUNT}] .
    [gale warnings] <were_VBD issued_VBN> for {region} and {region} {when} {tail} .
    [hope_NN] <faded> for [{COUNT} {staff}] <trapped_VBN> under [the {city} mine] in {region} .
    [snow] <fell> on {place} and {place} {when} {tail} .
storm MISC:
    {GIVEN}
weather_head:
    STORM HITS_VBZ {place} | SNOW CUTS_VBZ OFF_RP {city} | FLOODS IN {country} KILL_VBP {COUNT}
    [{country} WEATHER]

culture:
    [{nation} {profession} {person}] <won> [the {prize}] {when} for " {title} " .
    {person} , [the {nation} {profession}] , <died> in {city} {when} .
    {surname} <was> [{AGE}] and <lived> in {cityland} .
    [the novel] " {title} " by {person} <sold> [{BIG} copies] in {country} .
    [the {university}] <bought> [a painting] by {surname} for [{MONEY} million {currency}] .
    [critics] at [the {paper}] <praised> " {title} " , [a film] <set_VBN> in {place} .
    {man} <was_VBD born_VBN> in {cityland} in {YEAR} and <studied> at [the {university}] .
    [a museum] on {street} <will show_VB> [{COUNT} works] by {surname} from {month} .
    {surname} <plays> [a {profession}] in " {title} " , which_WDT <opens_VBZ> in {city} in {month} .
    " {quote} , " {surname} {said} at [the {prize}] {when} {tail} .
    [stone_NN bridges] and [old_JJ mills] <draw_VBP> [visitors] to {region} every_DT [summer] .
    {surname} , [whose_WP$ mother] <was> {nation} , <wrote> " {title} " in {YEAR} .
    [the {city} orchestra] <played> [{surname} 's {ordinal} symphony] {when} {tail} .
    {man} <translated> [{surname}] from [the {nation}] for {firm} .
    [page_NN one] of [the {paper}] <carried> [a photograph] of {who} {when} {tail} .
    [rose_NN growers] from {city} <named> [a flower] after {man} .
culture_head:
    [{nation} FILM] WINS_VBZ {prize} | [{nation} PAINTER {surname}] DIES_VBZ AT {AGE}
    [{city} THEATRE] REOPENS_VBZ

science:
    [scientists] at [the {university}] <found> [{animal}] near {region} {when} {tail} .
    {person} of {university} <said> [the drug] <could help_VB> [{PERCENT} percent] of [{disease}
        patients] .
    [researchers] from {university} and {university} <tested> [{BIG} {staff}] for [{disease}] ,
        {sourced} .
    [{nation} doctors] <reported> [{COUNT} cases] of [{disease}] in {place} {when} {tail} .
    {firm} <will launch_VB> [the {product}] from {region} in {month} .
    [the {agency}] <approved> [a {disease} vaccine] made_VBN by {company} {when} {tail} .
    [a study] by {surname} and {surname} <linked> [{disease}] to [{goods} dust] .
    {who} , [professor] of [medicine] at [the {university}] , {said} that {clause} .
    [numbers] of [{animal}] in {region} <have_VBP fallen_VBN> by [{PERCENT} percent] since {YEAR} .
    " {quote} , " <said> {surname} , [whose_WP$ team] <found> [the {animal}] .
    [field_NN trials] in {country} <showed> [{adjective} results] , {surname} <wrote> in [the
        {paper}] .
    [the {product} rocket] , <built_VBN> by {firm} for [the {agency}] , <exploded> over {region}
        {when} {tail} .
    [{based} researchers] <won> [the {prize}] for [work] on [{disease}] .
    [lake_NN water] near {city} <contained> [{goods}] , [the {university}] <said> .
science_head:
    [{nation} SCIENTISTS] FIND_VBP {animal} | [{disease} CASES] RISE_VBP IN {place}
    {firm} LAUNCHES_VBZ {product}

accident:
    [a bus] <carrying_VBG> [{COUNT} {nationals}] <crashed> near {place} {when} , {sourced} .
    [police] in {city} <arrested> {man} {when} {reason} .
    [fire] <destroyed> [a {firm} warehouse] on {street} in {city} {when} {tail} .
    [{COUNT} people] <died> when_WRB [a {firm} plane] <hit_VBD> {region} {when} {tail} .
    {person} , [{AGE} years] old_JJ , of {city} , <was_VBD found_VBN> near {street} .
    [the {surname} family] of {city} <thanked> [the {nation} {staff}] .
    [the {product}] <left_VBD> {city} {when} with [{BIG} {nationals}] aboard_RB .
    [a witness] , {person} , <said> {clause} .
    [{nation} police] <searched> [the {city} offices] of {business} {when} {reason} .
    [grant_NN money] for [the {street} repairs] <came_VBD> from {bank} .
    {surname} <told> [the {agency}] that {clause} .
    [two_CD {nationals}] and [a {based} {job}] <were_VBD held_VBN> in {cityland} {when} {tail} .
accident_head:
    [BUS CRASH] KILLS_VBZ {COUNT} IN {country} | FIRE AT [{firm} PLANT]
    [{city} POLICE] HOLD_VBP [{nation} LAWYER]
dateline:
    *3 {city} {DATE}
    {city} , {country} {DATE}
byline:
    {person}
"""

TOPICS = (
    "sport",
    "sport",
    "market",
    "politics",
    "politics",
    "weather",
    "culture",
    "science",
    "accident",
)

# ---------------------------------------------------------------- words and their parts of speech

LEXICON = {
    "DT": "all the a an This this no these any",
    "IN": (
        "without than of in on at by for from with against over after before about since toward "
        "through between among under near into across if because despite amid that while during "
        "behind IN BY FOR AT"
    ),
    "TO": "to TO",
    "CC": "and but or &",
    "MD": "would will could may might",
    "EX": "there",
    "CD": "million one",
    "PRP": "it they we I he she you us We You",
    "PRP$": "their its his our",
    "WP": "who",
    "WDT": "which",
    "JJ": (
        "new controversial modest bitter early costly surprising difficult brief small major "
        "secret net little old most opening chief cloudy late foreign former"
    ),
    "VBD": (
        "said told rose fell won sold bought found gave chose flew wrote was were had did lost "
        "left sent drew met made"
    ),
    "VBZ": "is has plays",
    "VBP": "are have",
    "NN": (
        "news gas chess business crisis actress diabetes family nothing Nobody everything BUS "
        "TENNIS support"
    ),
    "NNS": "people police fishermen",
    "NNP": "FC",
    "NNPS": "Brothers Railways Motors Holdings Securities",
    "POS": "'s",
    ",": ",",
    ".": ".",
    '"': '"',
    ":": ": ; -",
    "(": "(",
    ")": ")",
}
POS_OF = {word: pos for pos, words in LEXICON.items() for word in words.split()}
SUFFIX_POS = (
    (r"[\d.,:-]*\d[\d.,:-]*", "CD"),
    (r"[A-Z][a-z.]+", "NNP"),
    (r".+ed", "VBD"),
    (r".+ing", "NN"),
    (r".+ly", "RB"),
    (r".+[^s]s", "NNS"),
    (r".+[^S]S", "NNS"),
    (r".*", "NN"),
)

# The chunk of a word outside all brackets, by the begin of its part of speech; others are outside
# every chunk.
CHUNK_OF = {
    "VB": "VP",
    "MD": "VP",
    "TO": "PP",
    "IN": "PP",
    "RB": "ADVP",
    "JJ": "ADJP",
    "RP": "PRT",
    "NN": "NP",
    "CD": "NP",
    "PR": "NP",
    "DT": "NP",
    "WP": "NP",
    "WD": "NP",
    "WR": "ADVP",
    "EX": "NP",
}
SUBORDINATE = {"that", "because", "while", "if", "as"}


def guess_pos(word):
    """Part of speech of a word of the grammar that does not say its own."""
    return POS_OF.get(word) or next(
        pos for pattern, pos in SUFFIX_POS if re.fullmatch(pattern, word)
    )


# ---------------------------------------------------------------- names

ONSETS = "B Br C D Dr F Fl G Gr H J K Kl Kr L M N P Pr Qu R S Sk Sl St T Tr V Vr W Y Z".split()
CODAS = "l r n m nd rk lm st sk v z rn d b ld g p sh".split()
ENDINGS = {
    "SURNAME": (
        "son sen ov ova ski ez ini etti mann ak ic ard er ley enko as quist ides eau"
    ).split(),
    "GIVEN": "a en ik in ela ina us an is ette or elle io".split(),
    "CITY": "ton ford bury mouth stad grad ovo burg haven pur abad ville minster dale wick".split(),
    "COUNTRY": "ia land stan mark ova".split(),
    "COMPANY": "tex tron soft gen ix net tech lux dyne co".split(),
}
ADJECTIVES = {
    "ia": ("ian", "ians"),
    "land": ("landic", "landers"),
    "stan": ("stani", "stanis"),
    "mark": ("markish", "marks"),
    "ova": ("ovan", "ovans"),
}
GIVEN_NAMES = (
    "Anna John Peter Maria Paul Sara David Laura Martin Helen Thomas Eva Mark Julia Simon Clara "
    "Rose Grant"
).split()
SURNAME_WORDS = (
    "Price Frost Banks Young March Stone Rivers Hope Grant Field Winter Page Rose Snow Gale Marsh "
    "May"
).split()
COMPANY_WORDS = (
    "Summit Pioneer Horizon Beacon Anchor Harvest Orchard Falcon Crown Compass Meridian Sterling"
).split()
TITLE_WORDS = (
    "Garden Winter River House Daughter Letter Silence Harvest Stranger Bridge Song Clock Mirror "
    "Island"
).split()
MODELS = "Explorer Comet Voyager Swift Pilot Ranger 200 500".split()
CITY_FORMS = ["{}"] * 55 + ["San {}", "New {}", "Port {}", "St. {}", "El {}"]
POOL_SIZES = {
    "SURNAME": 250,
    "GIVEN": 90,
    "CITY": 200,
    "COUNTRY": 50,
    "COMPANY": 100,
    "ACRONYM": 50,
}
AVOID = set(  # real names that the syllables can give
    "Bolton Brighton Burton Dalton Felton Milton Norton Preston Stanford Stamford Bradford Bedford "
    "Medford Salford Redford Nashville Melville Granville Hamburg Salzburg Brandenburg Petersburg "
    "Finland Iceland Poland Holland Denmark Jordan Nelson Wilson Larson Larsen Jensen Hansen Olsen "
    "Nilson Hermann Martinez Lopez Gomez Perez Ramirez Vernon Rimini "
    "Sudan Bosnia Serbia Russia Prussia Persia Libya Somalia Zambia Gambia Namibia Colombia Candia "
    "India Bolivia".split()
)


def invent(rng, endings):
    """One name out of syllables: one or two stems and an ending, now and then that of another kind
    of name.
    """
    if rng.random() < ODD:
        endings = rng.choice(list(ENDINGS.values()))
    stem = rng.choice(ONSETS) + rng.choice("aeiou") + rng.choice(CODAS)
    if rng.random() < 0.35:
        stem += rng.choice("aeiou") + rng.choice(CODAS)
    return stem + rng.choice(endings)


def invent_many(rng, kind, count, taken):
    """`count` different names of one kind, none of them in the set `taken`, to which they are
    added.
    """
    names = []
    while len(names) < count:
        name = invent(rng, ENDINGS[kind])
        if kind == "COUNTRY" and not name.endswith(tuple(ADJECTIVES)):
            continue
        if name not in taken and name not in AVOID:
            taken.add(name)
            names.append(name)
    return names


def nation_words(country):
    """'Morlia' -> ('Morlian', 'Morlians'): the adjective and the people."""
    ending = next(ending for ending in ADJECTIVES if country.endswith(ending))
    return tuple(country[: -len(ending)] + new for new in ADJECTIVES[ending])


def make_names(rng):
    """The invented world: pool -> list of names in no particular order. Some names stand in more
    than one pool.
    """
    taken = set()
    names = {kind: invent_many(rng, kind, POOL_SIZES[kind], taken) for kind in ENDINGS}
    names["CITY"] = [rng.choice(CITY_FORMS).format(city) for city in names["CITY"]]
    plain_cities = [city for city in names["CITY"] if " " not in city]
    names["SURNAME"][:40] = rng.sample(plain_cities, 40)  # people called like a town
    names["SURNAME"] += SURNAME_WORDS
    names["GIVEN"] += GIVEN_NAMES
    names["COMPANY"] += (
        COMPANY_WORDS + rng.sample(plain_cities, 15) + rng.sample(names["GIVEN"], 10)
    )
    names["ACRONYM"] = sorted(
        {
            "".join(rng.choices("BCDFGHKLMNPRTVWXZ", k=rng.choice((3, 3, 4))))
            for _ in range(POOL_SIZES["ACRONYM"])
        }
    )
    for pool in names.values():
        rng.shuffle(pool)
    names["FAMOUS"] = names["SURNAME"][::4]  # few people need no first name
    names["CLUBTOWN"] = names["CITY"][::4]  # few towns have a club that makes the news
    names["NATION"] = [nation_words(country)[0] for country in names["COUNTRY"]]
    names["NATIONALS"] = [nation_words(country)[1] for country in names["COUNTRY"]]
    return names


WORD_POOLS = {
    "TITLEWORD": TITLE_WORDS,
    "MODEL": MODELS,
    "INITIAL": [f"{letter}." for letter in "ABCDEFGHJKLMNPRSTV"],
}

NUMBERS = {
    "DIGIT": lambda rng: str(rng.randint(0, 9)),
    "COUNT": lambda rng: str(rng.randint(2, 60)),
    "DAY": lambda rng: str(rng.randint(1, 28)),
    "AGE": lambda rng: str(rng.randint(17, 88)),
    "YOUNG": lambda rng: str(rng.randint(17, 36)),
    "YEAR": lambda rng: str(rng.randint(1950, 2024)),
    "BIG": lambda rng: f"{100 * rng.randint(11, 400):,}",
    "PERCENT": lambda rng: f"{rng.randint(1, 20)}.{rng.randint(1, 9)}",
    "MONEY": lambda rng: f"{rng.randint(2, 900)}.{rng.randint(0, 9)}",
    "GOALS": lambda rng: f"{rng.randint(2, 5)}-{rng.randint(0, 1)}",
    "DRAW": lambda rng: rng.choice(("0-0", "1-1", "2-2", "3-3")),
    "SETS": lambda rng: f"6-{rng.randint(0, 4)}",
    "MINUTE": lambda rng: f"{rng.choice((4, 9, 11, 17, 25, 36, 48, 59, 64, 77, 85, 90))}th",
    "TIME": lambda rng: f"{rng.randint(1, 9)}:{rng.randint(10, 59)}.{rng.randint(10, 99)}",
    "DATE": lambda rng: (
        f"{rng.randint(2019, 2024)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    ),
}


class Chooser:
    """Names for one split, document by document.

    train.txt draws from the first part of each pool only, the text of the vectors from all but the
    last part, so that dev and test hold names of three kinds: known, known to the vectors, and
    known to nobody.
    """

    COMMON, KNOWN_TO_VECTORS = 0.6, 0.85

    def __init__(self, rng, names, split):
        self.rng, self.training, self.recent, self.used = rng, split == "train", {}, set()
        self.unseen = 0.0 if self.training else UNSEEN
        end = self.KNOWN_TO_VECTORS if split == "vectors" else 1.0
        self.common = {pool: all_[: int(self.COMMON * len(all_))] for pool, all_ in names.items()}
        self.held = {
            pool: all_[int(self.COMMON * len(all_)) : int(end * len(all_))]
            for pool, all_ in names.items()
        }

    def new_document(self):
        self.recent = {}

    def new_sentence(self):
        self.used = set()

    def name(self, pool):
        """A name that is new to the sentence: one that the document has used, or another, early
        ones more often.
        """
        recent = self.recent.setdefault(pool, [])
        name = None
        while name is None or (pool, name) in self.used:
            name = (
                self.rng.choice(recent)
                if recent and self.rng.random() < AGAIN
                else self.fresh_name(pool)
            )
        self.used.add((pool, name))
        if name not in recent:
            recent.append(name)
        return name

    def fresh_name(self, pool):
        names = (self.held if self.rng.random() < self.unseen else self.common)[pool]
        return names[int(len(names) * self.rng.random() ** 1.5)]


# ---------------------------------------------------------------- grammar -> sentences


class Rule(NamedTuple):
    kind: str  # entity type, or ''
    alternatives: list  # lists of parts: see parse_parts


TOKEN = re.compile(r"\+?\{\w+\}|[\[\]<>()]|[^\s\[\]<>()]+")
BRACKETS = {"[": "NP", "<": "VP", "(": "maybe"}


def parse_grammar(text):
    """GRAMMAR -> {name: Rule}."""
    rules, rule = {}, None
    text = re.sub(r"\n {8}", " ", text)  # lines that go on with the line above
    for line in filter(str.strip, text.splitlines()):
        if not line.startswith(" "):
            name, _, kind = line.rstrip(":").partition(" ")
            rule = rules[name] = Rule(kind, [])
            continue
        times, line = re.fullmatch(r"\s*(?:\*(\d+) )?(.*)", line).groups()
        for alternative in line.split(" | "):
            parts = parse_parts(iter(TOKEN.findall(alternative)))
            rule.alternatives.extend([parts] * int(times or 1))
    return rules


def parse_parts(tokens):
    """Tokens up to a closing bracket -> list of ('word', text, pos, glued), ('slot', name, glued)
    and (bracket, parts).
    """
    parts = []
    for token in tokens:
        if token in "]>)":
            break
        glued, token = token.startswith("+"), token.lstrip("+")
        if token in BRACKETS:
            parts.append((BRACKETS[token], parse_parts(tokens)))
        elif token.startswith("{"):
            parts.append(("slot", token.strip("{}"), glued))
        else:
            word, _, pos = token.replace("LPAR", "(").replace("RPAR", ")").partition("_")
            parts.append(("word", word, pos or guess_pos(word), glued))
    return parts


class Writer:
    """Expands rules into rows [word, pos, chunk, tag]; the chunk and the entity that are open
    decide B- and I-.
    """

    def __init__(self, rules, chooser):
        self.rules, self.chooser, self.rng = rules, chooser, chooser.rng
        self.rows, self.chunk, self.entity = [], None, None

    def sentence(self, name):
        """A sentence from rule `name`: list of (word, pos, chunk, tag)."""
        self.rows, self.chunk, self.entity = [], None, None
        self.chooser.new_sentence()
        if name in TOPICS and self.rng.random() < LEAD:
            self.rule("lead")
        self.rule(name)
        finish(self.rows)
        if name.endswith("_head"):
            for row in self.rows:
                row[0] = row[0].upper()
        return [tuple(row) for row in self.rows]

    def rule(self, name):
        rule = self.rules[name]
        alternatives = rule.alternatives
        if self.chooser.training and name in TOPICS + ("general",):
            alternatives = [parts for i, parts in enumerate(alternatives) if i % NEW_PATTERNS]
        parts = self.rng.choice(alternatives)
        if not rule.kind or self.entity:
            self.parts(parts)
        elif self.chunk:
            self.within_entity(rule.kind, parts)
        else:
            self.within_chunk("NP", lambda: self.within_entity(rule.kind, parts))

    def within_entity(self, kind, parts):
        self.entity = "B-" + kind
        self.parts(parts)
        self.entity = None

    def within_chunk(self, kind, write):
        self.chunk = "B-" + kind
        write()
        self.chunk = None

    def parts(self, parts):
        for kind, *rest in parts:
            if kind == "word":
                self.word(*rest)
            elif kind == "slot":
                self.slot(*rest)
            elif kind == "maybe":
                if self.rng.random() < 0.5:
                    self.parts(rest[0])
            elif self.chunk:
                self.parts(rest[0])
            else:
                self.within_chunk(kind, functools.partial(self.parts, rest[0]))

    def slot(self, name, glued):
        if name in self.rules:
            self.rule(name)
        elif name in NUMBERS:
            self.word(NUMBERS[name](self.rng), "CD", glued)
        elif name in WORD_POOLS:
            self.word(self.rng.choice(WORD_POOLS[name]), "NNP", glued)
        else:
            for word in self.chooser.name(name).split():
                self.word(word, {"NATION": "JJ", "NATIONALS": "NNPS"}.get(name, "NNP"), glued)

    def word(self, word, pos, glued):
        if glued:
            self.rows[-1][0] += word
            self.rows[-1][1] = "JJ" if pos == "JJ" else self.rows[-1][1]
            return
        self.rows.append([word, pos, self.next_chunk(word, pos), self.entity or "O"])
        self.entity = self.entity and "I" + self.entity[1:]

    def next_chunk(self, word, pos):
        """The chunk tag of the next word. A preposition splits a noun phrase in two, as in
        CoNLL-2000.
        """
        if not self.chunk or pos == "IN" and self.chunk.endswith("NP"):
            kind = "SBAR" if word in SUBORDINATE else CHUNK_OF.get(pos[:2])
            self.chunk = self.chunk and "B-NP"
            return f"B-{kind}" if kind else "O"
        if pos in (",", '"', ":"):
            self.chunk = "B" + self.chunk[1:]
            return "O"
        chunk = "B-NP" if pos == "POS" else self.chunk
        self.chunk = "I" + self.chunk[1:]
        return chunk


def finish(rows):
    """In place: 'a' becomes 'an' before a vowel, of two commas or comma and full stop the second
    stays, capital first.
    """
    for row, following in zip(rows, rows[1:]):
        if row[0] == "a" and following[0][0] in "aeioAEIO8":
            row[0] = "an"
    doubled = [i for i in range(1, len(rows)) if rows[i - 1][0] == "," and rows[i][0] in (",", ".")]
    for i in reversed(doubled):
        del rows[i - 1]
    first = rows[1] if rows[0][0] == '"' and len(rows) > 1 else rows[0]
    first[0] = first[0][:1].upper() + first[0][1:]


def write_document(writer):
    """Sentences of one document: a headline, perhaps a byline, a dateline, then the news."""
    writer.chooser.new_document()
    rng = writer.rng
    topic = rng.choice(TOPICS)
    names = [topic + "_head"] + ["byline"] * (rng.random() < 0.4) + ["dateline"]
    names += [
        rng.choice((topic, topic, topic, "general", "general", rng.choice(TOPICS)))
        for _ in range(rng.randint(4, 11))
    ]
    if topic == "sport":
        names += ["scores"] * rng.randint(0, 6)
    return [sentence for sentence in map(writer.sentence, names) if len(sentence) <= MAX_LENGTH]


def write_documents(writer, count):
    """Documents, lists of sentences, with `count` sentences in all."""
    documents = []
    while count:
        documents.append(write_document(writer)[:count])
        count -= len(documents[-1])
    return documents


# ---------------------------------------------------------------- files


def format_documents(documents):
    """Documents -> the text of a CoNLL file of four columns."""
    blocks = []
    for document in documents:
        blocks.append("-DOCSTART- -X- -X- O\n")
        blocks += ["".join(" ".join(row) + "\n" for row in sentence) for sentence in document]
    return "\n".join(blocks)


def make_writer(seed, split):
    """The writer of one split, 'train', 'dev', 'test' or 'vectors': its own random numbers, the
    same invented world.
    """
    names = make_names(random.Random(seed))
    chooser = Chooser(random.Random(f"{seed} {split}"), names, split)
    return Writer(parse_grammar(GRAMMAR), chooser)


def make_split(seed, split):
    """The text of one of SPLITS."""
    return format_documents(write_documents(make_writer(seed, split), SPLITS[split]))


def make_vectors(seed):
    """The text of the vectors: a line `word v1 ... v50` for each word, the most frequent first, in
    lower case.

    Digits become 0, as they do where a word is looked up.
    """
    documents = write_documents(make_writer(seed, "vectors"), VECTOR_SENTENCES)
    sentences = [
        [re.sub("[0-9]", "0", row[0].lower()) for row in sentence]
        for text in documents
        for sentence in text
    ]
    counts = collections.Counter(word for sentence in sentences for word in sentence)
    frequent = [word for word in counts if counts[word] >= MIN_COUNT]
    words = sorted(frequent, key=lambda word: (-counts[word], word))[:MAX_WORDS]
    vectors = factorize(ppmi(count_contexts(sentences, words)))
    return "".join(
        word + "".join(f" {value:.4f}" for value in vector) + "\n"
        for word, vector in zip(words, vectors)
    )


def count_contexts(sentences, words):
    """Counts (words, 2 * WINDOW sides of CONTEXTS): how often a frequent word stands so many places
    left or right.
    """
    ids = {word: i for i, word in enumerate(words)}
    gap = [-1] * WINDOW  # keeps sentences apart
    text = np.array(
        [i for sentence in sentences for i in gap + [ids.get(word, -1) for word in sentence]]
    )
    contexts = min(CONTEXTS, len(words))
    sides = []
    for left, right in ((text[:-d], text[d:]) for d in range(1, WINDOW + 1)):
        for word, context in ((left, right), (right, left)):
            kept = (word >= 0) & (context >= 0) & (context < contexts)
            pairs = word[kept] * contexts + context[kept]
            sides.append(
                np.bincount(pairs, minlength=len(words) * contexts).reshape(len(words), contexts)
            )
    return np.hstack([sum(sides[0::2]), sum(sides[1::2])]).astype(float)


def ppmi(counts):
    """Positive pointwise mutual information of words and contexts, contexts smoothed by 0.75 (Levy
    et al. 2015).
    """
    smooth = counts.sum(axis=0) ** 0.75
    expected = np.outer(counts.sum(axis=1), smooth / smooth.sum())
    ratio = np.divide(counts, expected, out=np.zeros_like(counts), where=expected > 0)
    return np.log(np.maximum(ratio, 1.0))


def factorize(matrix):
    """U sqrt(S) of the truncated SVD of (words, contexts), as (words, VECTOR_DIM) with a standard
    deviation of 0.4.
    """
    values, right = np.linalg.eigh(matrix.T @ matrix)
    values, right = values[::-1][:VECTOR_DIM], right[:, ::-1][:, :VECTOR_DIM]
    vectors = matrix @ right / values**0.25  # U S / sqrt(S), S being the root of the eigenvalues
    largest = np.abs(vectors).argmax(axis=0)
    # An eigenvector's sign is arbitrary: its largest number is made positive.
    vectors *= np.sign(vectors[largest, np.arange(VECTOR_DIM)])
    return vectors * (0.4 / vectors.std())


def write_text(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with atomic_write(path) as out:
        out.write(text.encode())
    print(f"{path}: {len(text.encode()):,} bytes", file=sys.stderr)


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--seed",
        type=int,
        default=SEED,
        help="another seed invents another world (default %(default)s)",
    )
    parser.add_argument(
        "--out_dir",
        default=_top.ROOT,
        help="where data/sample and embeddings go (default: the repository)",
    )
    parser.add_argument("--no_vectors", action="store_true", help="write the sentences only")
    args = parser.parse_args()
    if not os.path.isdir(args.out_dir):
        raise UserError(f"{args.out_dir}: no such folder; check --out_dir")
    for split in SPLITS:
        write_text(
            os.path.join(args.out_dir, "data", "sample", f"{split}.txt"),
            make_split(args.seed, split),
        )
    if not args.no_vectors:
        write_text(
            os.path.join(args.out_dir, "embeddings", f"sample.{VECTOR_DIM}d.txt"),
            make_vectors(args.seed),
        )


if __name__ == "__main__":
    run_command(main)
