"""Made by inference/cc/text/make_sentence_break.py; not to be edited."""

UNICODE_VERSION = "15.0.0"
# first-last:letter, code points in hexadecimal. The script explains the letters; i is a
# range in which upper and lower case alternate. All other code points are Other.
RANGES = """
9:s a:n b-c:s d:r 20:s 21:t 22:c 27-29:c 2c-2d:k 2e:a 30-39:d 3a:k 3f:t 41-5a:u 5b:c 5d:c 61-7a:l
7b:c 7d:c 85:p a0:s aa:l ab:c ad:x b5:l ba:l bb:c c0-d6:u d8-de:u df-f6:l f8-ff:l 100-137:i 138:l
139-148:i 149:l 14a-178:i 179-17e:i 17f-180:l 181-182:u 183:l 184-186:i 187-189:i 18a-18b:u
18c-18d:l 18e-191:u 192:l 193-194:u 195:l 196-198:u 199-19b:l 19c-19d:u 19e:l 19f-1a0:u 1a1:l
1a2-1a6:i 1a7-1aa:i 1ab:l 1ac-1ae:i 1af-1b1:i 1b2-1b3:u 1b4:l 1b5-1b7:i 1b8-1b9:i 1ba:l 1bb:o
1bc-1bd:i 1be-1bf:l 1c0-1c3:o 1c4-1c5:u 1c6:l 1c7-1c8:u 1c9:l 1ca-1cb:u 1cc:l 1cd-1dc:i 1dd:l
1de-1ef:i 1f0:l 1f1-1f2:u 1f3:l 1f4-1f6:i 1f7-1f8:u 1f9:l 1fa-233:i 234-239:l 23a-23b:u 23c:l
23d-23e:u 23f-240:l 241-243:i 244-246:u 247:l 248-24f:i 250-293:l 294:o 295-2b8:l 2b9-2bf:o
2c0-2c1:l 2c6-2d1:o 2e0-2e4:l 2ec:o 2ee:o 300-36f:x 370-373:i 374:o 376-377:i 37a-37d:l 37f:u
386:u 388-38a:u 38c:u 38e-38f:u 390:l 391-3a1:u 3a3-3ab:u 3ac-3ce:l 3cf-3d0:i 3d1:l 3d2-3d4:u
3d5-3d7:l 3d8-3ef:i 3f0-3f3:l 3f4-3f5:i 3f7-3f9:i 3fa-3fb:i 3fc:l 3fd-42f:u 430-45f:l 460-481:i
483-489:x 48a-4c0:i 4c1-4ce:i 4cf:l 4d0-52f:i 531-556:u 559:o 55d:k 560-588:l 589:t 591-5bd:x
5bf:x 5c1-5c2:x 5c4-5c5:x 5c7:x 5d0-5ea:o 5ef-5f3:o 600-605:x 60c-60d:k 610-61a:x 61c:x 61d-61f:t
620-64a:o 64b-65f:x 660-669:d 66b-66c:d 66e-66f:o 670:x 671-6d3:o 6d4:t 6d5:o 6d6-6dd:x 6df-6e4:x
6e5-6e6:o 6e7-6e8:x 6ea-6ed:x 6ee-6ef:o 6f0-6f9:d 6fa-6fc:o 6ff:o 700-702:t 70f:x 710:o 711:x
712-72f:o 730-74a:x 74d-7a5:o 7a6-7b0:x 7b1:o 7c0-7c9:d 7ca-7ea:o 7eb-7f3:x 7f4-7f5:o 7f8:k 7f9:t
7fa:o 7fd:x 800-815:o 816-819:x 81a:o 81b-823:x 824:o 825-827:x 828:o 829-82d:x 837:t 839:t
83d-83e:t 840-858:o 859-85b:x 860-86a:o 870-887:o 889-88e:o 890-891:x 898-89f:x 8a0-8c9:o
8ca-903:x 904-939:o 93a-93c:x 93d:o 93e-94f:x 950:o 951-957:x 958-961:o 962-963:x 964-965:t
966-96f:d 971-980:o 981-983:x 985-98c:o 98f-990:o 993-9a8:o 9aa-9b0:o 9b2:o 9b6-9b9:o 9bc:x 9bd:o
9be-9c4:x 9c7-9c8:x 9cb-9cd:x 9ce:o 9d7:x 9dc-9dd:o 9df-9e1:o 9e2-9e3:x 9e6-9ef:d 9f0-9f1:o 9fc:o
9fe:x a01-a03:x a05-a0a:o a0f-a10:o a13-a28:o a2a-a30:o a32-a33:o a35-a36:o a38-a39:o a3c:x
a3e-a42:x a47-a48:x a4b-a4d:x a51:x a59-a5c:o a5e:o a66-a6f:d a70-a71:x a72-a74:o a75:x a81-a83:x
a85-a8d:o a8f-a91:o a93-aa8:o aaa-ab0:o ab2-ab3:o ab5-ab9:o abc:x abd:o abe-ac5:x ac7-ac9:x
acb-acd:x ad0:o ae0-ae1:o ae2-ae3:x ae6-aef:d af9:o afa-aff:x b01-b03:x b05-b0c:o b0f-b10:o
b13-b28:o b2a-b30:o b32-b33:o b35-b39:o b3c:x b3d:o b3e-b44:x b47-b48:x b4b-b4d:x b55-b57:x
b5c-b5d:o b5f-b61:o b62-b63:x b66-b6f:d b71:o b82:x b83:o b85-b8a:o b8e-b90:o b92-b95:o b99-b9a:o
b9c:o b9e-b9f:o ba3-ba4:o ba8-baa:o bae-bb9:o bbe-bc2:x bc6-bc8:x bca-bcd:x bd0:o bd7:x be6-bef:d
c00-c04:x c05-c0c:o c0e-c10:o c12-c28:o c2a-c39:o c3c:x c3d:o c3e-c44:x c46-c48:x c4a-c4d:x
c55-c56:x c58-c5a:o c5d:o c60-c61:o c62-c63:x c66-c6f:d c80:o c81-c83:x c85-c8c:o c8e-c90:o
c92-ca8:o caa-cb3:o cb5-cb9:o cbc:x cbd:o cbe-cc4:x cc6-cc8:x cca-ccd:x cd5-cd6:x cdd-cde:o
ce0-ce1:o ce2-ce3:x ce6-cef:d cf1-cf2:o cf3:x d00-d03:x d04-d0c:o d0e-d10:o d12-d3a:o d3b-d3c:x
d3d:o d3e-d44:x d46-d48:x d4a-d4d:x d4e:o d54-d56:o d57:x d5f-d61:o d62-d63:x d66-d6f:d d7a-d7f:o
d81-d83:x d85-d96:o d9a-db1:o db3-dbb:o dbd:o dc0-dc6:o dca:x dcf-dd4:x dd6:x dd8-ddf:x de6-def:d
df2-df3:x e01-e30:o e31:x e32-e33:o e34-e3a:x e40-e46:o e47-e4e:x e50-e59:d e81-e82:o e84:o
e86-e8a:o e8c-ea3:o ea5:o ea7-eb0:o eb1:x eb2-eb3:o eb4-ebc:x ebd:o ec0-ec4:o ec6:o ec8-ece:x
ed0-ed9:d edc-edf:o f00:o f18-f19:x f20-f29:d f35:x f37:x f39:x f3a-f3d:c f3e-f3f:x f40-f47:o
f49-f6c:o f71-f84:x f86-f87:x f88-f8c:o f8d-f97:x f99-fbc:x fc6:x 1000-102a:o 102b-103e:x 103f:o
1040-1049:d 104a-104b:t 1050-1055:o 1056-1059:x 105a-105d:o 105e-1060:x 1061:o 1062-1064:x
1065-1066:o 1067-106d:x 106e-1070:o 1071-1074:x 1075-1081:o 1082-108d:x 108e:o 108f:x 1090-1099:d
109a-109d:x 10a0-10c5:u 10c7:u 10cd:u 10d0-10fa:o 10fc:l 10fd-1248:o 124a-124d:o 1250-1256:o
1258:o 125a-125d:o 1260-1288:o 128a-128d:o 1290-12b0:o 12b2-12b5:o 12b8-12be:o 12c0:o 12c2-12c5:o
12c8-12d6:o 12d8-1310:o 1312-1315:o 1318-135a:o 135d-135f:x 1362:t 1367-1368:t 1380-138f:o
13a0-13f5:u 13f8-13fd:l 1401-166c:o 166e:t 166f-167f:o 1680:s 1681-169a:o 169b-169c:c 16a0-16ea:o
16ee-16f8:o 1700-1711:o 1712-1715:x 171f-1731:o 1732-1734:x 1735-1736:t 1740-1751:o 1752-1753:x
1760-176c:o 176e-1770:o 1772-1773:x 1780-17b3:o 17b4-17d3:x 17d7:o 17dc:o 17dd:x 17e0-17e9:d
1802:k 1803:t 1808:k 1809:t 180b-180f:x 1810-1819:d 1820-1878:o 1880-1884:o 1885-1886:x
1887-18a8:o 18a9:x 18aa:o 18b0-18f5:o 1900-191e:o 1920-192b:x 1930-193b:x 1944-1945:t 1946-194f:d
1950-196d:o 1970-1974:o 1980-19ab:o 19b0-19c9:o 19d0-19d9:d 1a00-1a16:o 1a17-1a1b:x 1a20-1a54:o
1a55-1a5e:x 1a60-1a7c:x 1a7f:x 1a80-1a89:d 1a90-1a99:d 1aa7:o 1aa8-1aab:t 1ab0-1ace:x 1b00-1b04:x
1b05-1b33:o 1b34-1b44:x 1b45-1b4c:o 1b50-1b59:d 1b5a-1b5b:t 1b5e-1b5f:t 1b6b-1b73:x 1b7d-1b7e:t
1b80-1b82:x 1b83-1ba0:o 1ba1-1bad:x 1bae-1baf:o 1bb0-1bb9:d 1bba-1be5:o 1be6-1bf3:x 1c00-1c23:o
1c24-1c37:x 1c3b-1c3c:t 1c40-1c49:d 1c4d-1c4f:o 1c50-1c59:d 1c5a-1c7d:o 1c7e-1c7f:t 1c80-1c88:l
1c90-1cba:o 1cbd-1cbf:o 1cd0-1cd2:x 1cd4-1ce8:x 1ce9-1cec:o 1ced:x 1cee-1cf3:o 1cf4:x 1cf5-1cf6:o
1cf7-1cf9:x 1cfa:o 1d00-1dbf:l 1dc0-1dff:x 1e00-1e95:i 1e96-1e9d:l 1e9e-1eff:i 1f00-1f07:l
1f08-1f0f:u 1f10-1f15:l 1f18-1f1d:u 1f20-1f27:l 1f28-1f2f:u 1f30-1f37:l 1f38-1f3f:u 1f40-1f45:l
1f48-1f4d:u 1f50-1f57:l 1f59:u 1f5b:u 1f5d:u 1f5f-1f60:i 1f61-1f67:l 1f68-1f6f:u 1f70-1f7d:l
1f80-1f87:l 1f88-1f8f:u 1f90-1f97:l 1f98-1f9f:u 1fa0-1fa7:l 1fa8-1faf:u 1fb0-1fb4:l 1fb6-1fb7:l
1fb8-1fbc:u 1fbe:l 1fc2-1fc4:l 1fc6-1fc7:l 1fc8-1fcc:u 1fd0-1fd3:l 1fd6-1fd7:l 1fd8-1fdb:u
1fe0-1fe7:l 1fe8-1fec:u 1ff2-1ff4:l 1ff6-1ff7:l 1ff8-1ffc:u 2000-200a:s 200b-200f:x 2013-2014:k
2018-201f:c 2024:a 2028-2029:p 202a-202e:x 202f:s 2039-203a:c 203c-203d:t 2045-2046:c 2047-2049:t
205f:s 2060-2064:x 2066-206f:x 2071:l 207d-207e:c 207f:l 208d-208e:c 2090-209c:l 20d0-20f0:x
2102:u 2107:u 210a:l 210b-210d:u 210e-210f:l 2110-2112:u 2113:l 2115:u 2119-211d:u 2124:u 2126:u
2128:u 212a-212d:u 212f:l 2130-2133:u 2134:l 2135-2138:o 2139:l 213c-213d:l 213e-213f:u
2145-2146:i 2147-2149:l 214e:l 2160-216f:u 2170-217f:l 2180-2182:o 2183-2184:i 2185-2188:o
2308-230b:c 2329-232a:c 24b6-24cf:u 24d0-24e9:l 275b-2760:c 2768-2775:c 27c5-27c6:c 27e6-27ef:c
2983-2998:c 29d8-29db:c 29fc-29fd:c 2c00-2c2f:u 2c30-2c5f:l 2c60-2c62:i 2c63-2c64:u 2c65-2c66:l
2c67-2c6d:i 2c6e-2c70:u 2c71:l 2c72-2c73:i 2c74:l 2c75-2c76:i 2c77-2c7d:l 2c7e-2c80:u 2c81:l
2c82-2ce3:i 2ce4:l 2ceb-2cee:i 2cef-2cf1:x 2cf2-2cf3:i 2d00-2d25:l 2d27:l 2d2d:l 2d30-2d67:o
2d6f:o 2d7f:x 2d80-2d96:o 2da0-2da6:o 2da8-2dae:o 2db0-2db6:o 2db8-2dbe:o 2dc0-2dc6:o 2dc8-2dce:o
2dd0-2dd6:o 2dd8-2dde:o 2de0-2dff:x 2e00-2e0d:c 2e1c-2e1d:c 2e20-2e29:c 2e2e:t 2e2f:o 2e3c:t
2e42:c 2e53-2e54:t 2e55-2e5c:c 3000:s 3001:k 3002:t 3005-3007:o 3008-3011:c 3014-301b:c
301d-301f:c 3021-3029:o 302a-302f:x 3031-3035:o 3038-303c:o 3041-3096:o 3099-309a:x 309d-309f:o
30a1-30fa:o 30fc-30ff:o 3105-312f:o 3131-318e:o 31a0-31bf:o 31f0-31ff:o 3400-4dbf:o 4e00-a48c:o
a4d0-a4fd:o a4ff:t a500-a60c:o a60e-a60f:t a610-a61f:o a620-a629:d a62a-a62b:o a640-a66d:i a66e:o
a66f-a672:x a674-a67d:x a67f:o a680-a69b:i a69c-a69d:l a69e-a69f:x a6a0-a6ef:o a6f0-a6f1:x a6f3:t
a6f7:t a717-a71f:o a722-a72f:i a730-a731:l a732-a76f:i a770-a778:l a779-a77d:i a77e-a787:i a788:o
a78b-a78e:i a78f:o a790-a793:i a794-a795:l a796-a7aa:i a7ab-a7ae:u a7af:l a7b0-a7b4:u a7b5:l
a7b6-a7c4:i a7c5-a7c7:u a7c8:l a7c9-a7ca:i a7d0-a7d1:i a7d3:l a7d5:l a7d6-a7d9:i a7f2-a7f4:l
a7f5-a7f6:i a7f7:o a7f8-a7fa:l a7fb-a801:o a802:x a803-a805:o a806:x a807-a80a:o a80b:x
a80c-a822:o a823-a827:x a82c:x a840-a873:o a876-a877:t a880-a881:x a882-a8b3:o a8b4-a8c5:x
a8ce-a8cf:t a8d0-a8d9:d a8e0-a8f1:x a8f2-a8f7:o a8fb:o a8fd-a8fe:o a8ff:x a900-a909:d a90a-a925:o
a926-a92d:x a92f:t a930-a946:o a947-a953:x a960-a97c:o a980-a983:x a984-a9b2:o a9b3-a9c0:x
a9c8-a9c9:t a9cf:o a9d0-a9d9:d a9e0-a9e4:o a9e5:x a9e6-a9ef:o a9f0-a9f9:d a9fa-a9fe:o aa00-aa28:o
aa29-aa36:x aa40-aa42:o aa43:x aa44-aa4b:o aa4c-aa4d:x aa50-aa59:d aa5d-aa5f:t aa60-aa76:o aa7a:o
aa7b-aa7d:x aa7e-aaaf:o aab0:x aab1:o aab2-aab4:x aab5-aab6:o aab7-aab8:x aab9-aabd:o aabe-aabf:x
aac0:o aac1:x aac2:o aadb-aadd:o aae0-aaea:o aaeb-aaef:x aaf0-aaf1:t aaf2-aaf4:o aaf5-aaf6:x
ab01-ab06:o ab09-ab0e:o ab11-ab16:o ab20-ab26:o ab28-ab2e:o ab30-ab5a:l ab5c-ab69:l ab70-abbf:l
abc0-abe2:o abe3-abea:x abeb:t abec-abed:x abf0-abf9:d ac00-d7a3:o d7b0-d7c6:o d7cb-d7fb:o
f900-fa6d:o fa70-fad9:o fb00-fb06:l fb13-fb17:l fb1d:o fb1e:x fb1f-fb28:o fb2a-fb36:o fb38-fb3c:o
fb3e:o fb40-fb41:o fb43-fb44:o fb46-fbb1:o fbd3-fd3d:o fd3e-fd3f:c fd50-fd8f:o fd92-fdc7:o
fdf0-fdfb:o fe00-fe0f:x fe10-fe11:k fe13:k fe17-fe18:c fe20-fe2f:x fe31-fe32:k fe35-fe44:c
fe47-fe48:c fe50-fe51:k fe52:a fe55:k fe56-fe57:t fe58:k fe59-fe5e:c fe63:k fe70-fe74:o
fe76-fefc:o feff:x ff01:t ff08-ff09:c ff0c-ff0d:k ff0e:a ff10-ff19:d ff1a:k ff1f:t ff21-ff3a:u
ff3b:c ff3d:c ff41-ff5a:l ff5b:c ff5d:c ff5f-ff60:c ff61:t ff62-ff63:c ff64:k ff66-ff9d:o
ff9e-ff9f:x ffa0-ffbe:o ffc2-ffc7:o ffca-ffcf:o ffd2-ffd7:o ffda-ffdc:o fff9-fffb:x 10000-1000b:o
1000d-10026:o 10028-1003a:o 1003c-1003d:o 1003f-1004d:o 10050-1005d:o 10080-100fa:o 10140-10174:o
101fd:x 10280-1029c:o 102a0-102d0:o 102e0:x 10300-1031f:o 1032d-1034a:o 10350-10375:o
10376-1037a:x 10380-1039d:o 103a0-103c3:o 103c8-103cf:o 103d1-103d5:o 10400-10427:u 10428-1044f:l
10450-1049d:o 104a0-104a9:d 104b0-104d3:u 104d8-104fb:l 10500-10527:o 10530-10563:o 10570-1057a:u
1057c-1058a:u 1058c-10592:u 10594-10595:u 10597-105a1:l 105a3-105b1:l 105b3-105b9:l 105bb-105bc:l
10600-10736:o 10740-10755:o 10760-10767:o 10780:l 10781-10782:o 10783-10785:l 10787-107b0:l
107b2-107ba:l 10800-10805:o 10808:o 1080a-10835:o 10837-10838:o 1083c:o 1083f-10855:o
10860-10876:o 10880-1089e:o 108e0-108f2:o 108f4-108f5:o 10900-10915:o 10920-10939:o 10980-109b7:o
109be-109bf:o 10a00:o 10a01-10a03:x 10a05-10a06:x 10a0c-10a0f:x 10a10-10a13:o 10a15-10a17:o
10a19-10a35:o 10a38-10a3a:x 10a3f:x 10a56-10a57:t 10a60-10a7c:o 10a80-10a9c:o 10ac0-10ac7:o
10ac9-10ae4:o 10ae5-10ae6:x 10b00-10b35:o 10b40-10b55:o 10b60-10b72:o 10b80-10b91:o 10c00-10c48:o
10c80-10cb2:u 10cc0-10cf2:l 10d00-10d23:o 10d24-10d27:x 10d30-10d39:d 10e80-10ea9:o 10eab-10eac:x
10eb0-10eb1:o 10efd-10eff:x 10f00-10f1c:o 10f27:o 10f30-10f45:o 10f46-10f50:x 10f55-10f59:t
10f70-10f81:o 10f82-10f85:x 10f86-10f89:t 10fb0-10fc4:o 10fe0-10ff6:o 11000-11002:x 11003-11037:o
11038-11046:x 11047-11048:t 11066-1106f:d 11070:x 11071-11072:o 11073-11074:x 11075:o
1107f-11082:x 11083-110af:o 110b0-110ba:x 110bd:x 110be-110c1:t 110c2:x 110cd:x 110d0-110e8:o
110f0-110f9:d 11100-11102:x 11103-11126:o 11127-11134:x 11136-1113f:d 11141-11143:t 11144:o
11145-11146:x 11147:o 11150-11172:o 11173:x 11176:o 11180-11182:x 11183-111b2:o 111b3-111c0:x
111c1-111c4:o 111c5-111c6:t 111c9-111cc:x 111cd:t 111ce-111cf:x 111d0-111d9:d 111da:o 111dc:o
111de-111df:t 11200-11211:o 11213-1122b:o 1122c-11237:x 11238-11239:t 1123b-1123c:t 1123e:x
1123f-11240:o 11241:x 11280-11286:o 11288:o 1128a-1128d:o 1128f-1129d:o 1129f-112a8:o 112a9:t
112b0-112de:o 112df-112ea:x 112f0-112f9:d 11300-11303:x 11305-1130c:o 1130f-11310:o 11313-11328:o
1132a-11330:o 11332-11333:o 11335-11339:o 1133b-1133c:x 1133d:o 1133e-11344:x 11347-11348:x
1134b-1134d:x 11350:o 11357:x 1135d-11361:o 11362-11363:x 11366-1136c:x 11370-11374:x
11400-11434:o 11435-11446:x 11447-1144a:o 1144b-1144c:t 11450-11459:d 1145e:x 1145f-11461:o
11480-114af:o 114b0-114c3:x 114c4-114c5:o 114c7:o 114d0-114d9:d 11580-115ae:o 115af-115b5:x
115b8-115c0:x 115c2-115c3:t 115c9-115d7:t 115d8-115db:o 115dc-115dd:x 11600-1162f:o 11630-11640:x
11641-11642:t 11644:o 11650-11659:d 11680-116aa:o 116ab-116b7:x 116b8:o 116c0-116c9:d
11700-1171a:o 1171d-1172b:x 11730-11739:d 1173c-1173e:t 11740-11746:o 11800-1182b:o 1182c-1183a:x
118a0-118bf:u 118c0-118df:l 118e0-118e9:d 118ff-11906:o 11909:o 1190c-11913:o 11915-11916:o
11918-1192f:o 11930-11935:x 11937-11938:x 1193b-1193e:x 1193f:o 11940:x 11941:o 11942-11943:x
11944:t 11946:t 11950-11959:d 119a0-119a7:o 119aa-119d0:o 119d1-119d7:x 119da-119e0:x 119e1:o
119e3:o 119e4:x 11a00:o 11a01-11a0a:x 11a0b-11a32:o 11a33-11a39:x 11a3a:o 11a3b-11a3e:x
11a42-11a43:t 11a47:x 11a50:o 11a51-11a5b:x 11a5c-11a89:o 11a8a-11a99:x 11a9b-11a9c:t 11a9d:o
11ab0-11af8:o 11c00-11c08:o 11c0a-11c2e:o 11c2f-11c36:x 11c38-11c3f:x 11c40:o 11c41-11c42:t
11c50-11c59:d 11c72-11c8f:o 11c92-11ca7:x 11ca9-11cb6:x 11d00-11d06:o 11d08-11d09:o 11d0b-11d30:o
11d31-11d36:x 11d3a:x 11d3c-11d3d:x 11d3f-11d45:x 11d46:o 11d47:x 11d50-11d59:d 11d60-11d65:o
11d67-11d68:o 11d6a-11d89:o 11d8a-11d8e:x 11d90-11d91:x 11d93-11d97:x 11d98:o 11da0-11da9:d
11ee0-11ef2:o 11ef3-11ef6:x 11ef7-11ef8:t 11f00-11f01:x 11f02:o 11f03:x 11f04-11f10:o
11f12-11f33:o 11f34-11f3a:x 11f3e-11f42:x 11f43-11f44:t 11f50-11f59:d 11fb0:o 12000-12399:o
12400-1246e:o 12480-12543:o 12f90-12ff0:o 13000-1342f:o 13430-13440:x 13441-13446:o 13447-13455:x
14400-14646:o 16800-16a38:o 16a40-16a5e:o 16a60-16a69:d 16a6e-16a6f:t 16a70-16abe:o 16ac0-16ac9:d
16ad0-16aed:o 16af0-16af4:x 16af5:t 16b00-16b2f:o 16b30-16b36:x 16b37-16b38:t 16b40-16b43:o
16b44:t 16b50-16b59:d 16b63-16b77:o 16b7d-16b8f:o 16e40-16e5f:u 16e60-16e7f:l 16e98:t
16f00-16f4a:o 16f4f:x 16f50:o 16f51-16f87:x 16f8f-16f92:x 16f93-16f9f:o 16fe0-16fe1:o 16fe3:o
16fe4:x 16ff0-16ff1:x 17000-187f7:o 18800-18cd5:o 18d00-18d08:o 1aff0-1aff3:o 1aff5-1affb:o
1affd-1affe:o 1b000-1b122:o 1b132:o 1b150-1b152:o 1b155:o 1b164-1b167:o 1b170-1b2fb:o
1bc00-1bc6a:o 1bc70-1bc7c:o 1bc80-1bc88:o 1bc90-1bc99:o 1bc9d-1bc9e:x 1bc9f:t 1bca0-1bca3:x
1cf00-1cf2d:x 1cf30-1cf46:x 1d165-1d169:x 1d16d-1d182:x 1d185-1d18b:x 1d1aa-1d1ad:x 1d242-1d244:x
1d400-1d419:u 1d41a-1d433:l 1d434-1d44d:u 1d44e-1d454:l 1d456-1d467:l 1d468-1d481:u 1d482-1d49b:l
1d49c:u 1d49e-1d49f:u 1d4a2:u 1d4a5-1d4a6:u 1d4a9-1d4ac:u 1d4ae-1d4b5:u 1d4b6-1d4b9:l 1d4bb:l
1d4bd-1d4c3:l 1d4c5-1d4cf:l 1d4d0-1d4e9:u 1d4ea-1d503:l 1d504-1d505:u 1d507-1d50a:u 1d50d-1d514:u
1d516-1d51c:u 1d51e-1d537:l 1d538-1d539:u 1d53b-1d53e:u 1d540-1d544:u 1d546:u 1d54a-1d550:u
1d552-1d56b:l 1d56c-1d585:u 1d586-1d59f:l 1d5a0-1d5b9:u 1d5ba-1d5d3:l 1d5d4-1d5ed:u 1d5ee-1d607:l
1d608-1d621:u 1d622-1d63b:l 1d63c-1d655:u 1d656-1d66f:l 1d670-1d689:u 1d68a-1d6a5:l 1d6a8-1d6c0:u
1d6c2-1d6da:l 1d6dc-1d6e1:l 1d6e2-1d6fa:u 1d6fc-1d714:l 1d716-1d71b:l 1d71c-1d734:u 1d736-1d74e:l
1d750-1d755:l 1d756-1d76e:u 1d770-1d788:l 1d78a-1d78f:l 1d790-1d7a8:u 1d7aa-1d7c2:l 1d7c4-1d7c9:l
1d7ca-1d7cb:i 1d7ce-1d7ff:d 1da00-1da36:x 1da3b-1da6c:x 1da75:x 1da84:x 1da88:t 1da9b-1da9f:x
1daa1-1daaf:x 1df00-1df09:l 1df0a:o 1df0b-1df1e:l 1df25-1df2a:l 1e000-1e006:x 1e008-1e018:x
1e01b-1e021:x 1e023-1e024:x 1e026-1e02a:x 1e030-1e06d:l 1e08f:x 1e100-1e12c:o 1e130-1e136:x
1e137-1e13d:o 1e140-1e149:d 1e14e:o 1e290-1e2ad:o 1e2ae:x 1e2c0-1e2eb:o 1e2ec-1e2ef:x
1e2f0-1e2f9:d 1e4d0-1e4eb:o 1e4ec-1e4ef:x 1e4f0-1e4f9:d 1e7e0-1e7e6:o 1e7e8-1e7eb:o 1e7ed-1e7ee:o
1e7f0-1e7fe:o 1e800-1e8c4:o 1e8d0-1e8d6:x 1e900-1e921:u 1e922-1e943:l 1e944-1e94a:x 1e94b:o
1e950-1e959:d 1ee00-1ee03:o 1ee05-1ee1f:o 1ee21-1ee22:o 1ee24:o 1ee27:o 1ee29-1ee32:o
1ee34-1ee37:o 1ee39:o 1ee3b:o 1ee42:o 1ee47:o 1ee49:o 1ee4b:o 1ee4d-1ee4f:o 1ee51-1ee52:o 1ee54:o
1ee57:o 1ee59:o 1ee5b:o 1ee5d:o 1ee5f:o 1ee61-1ee62:o 1ee64:o 1ee67-1ee6a:o 1ee6c-1ee72:o
1ee74-1ee77:o 1ee79-1ee7c:o 1ee7e:o 1ee80-1ee89:o 1ee8b-1ee9b:o 1eea1-1eea3:o 1eea5-1eea9:o
1eeab-1eebb:o 1f130-1f149:u 1f150-1f169:u 1f170-1f189:u 1f676-1f678:c 1fbf0-1fbf9:d 20000-2a6df:o
2a700-2b739:o 2b740-2b81d:o 2b820-2cea1:o 2ceb0-2ebe0:o 2f800-2fa1d:o 30000-3134a:o 31350-323af:o
e0001:x e0020-e007f:x e0100-e01ef:x
"""
