// Byte sequences that are not UTF-8 (RFC 3629), by what is wrong with them.

export const badUtf8 = {
  'a lone continuation byte': [0x80],
  'an overlong slash in two bytes': [0xc0, 0xaf],
  'an overlong character in two bytes': [0xc1, 0xbf],
  'an overlong slash in three bytes': [0xe0, 0x80, 0xaf],
  'an overlong character in four bytes': [0xf0, 0x8f, 0xbf, 0xbf],
  'an encoded high surrogate': [0xed, 0xa0, 0x80],
  'an encoded low surrogate': [0xed, 0xbf, 0xbf],
  'a character beyond U+10FFFF': [0xf4, 0x90, 0x80, 0x80],
  'a lead byte of five': [0xf8, 0x88, 0x80, 0x80, 0x80],
  'the byte FF': [0xff],
  'a lead byte followed by a letter': [0xc3, 0x41],
  'a character that lacks its last byte': [0xe2, 0x82, 0x22],
};
