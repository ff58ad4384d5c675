// Room codes of protocol 2: a number of 35 bits as 6 digits, the most significant first. The five
// highest bits are the region, when the server has one of the known ones.

const digits = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const codeLength = 6;

/** The known regions in the order of their numbers. */
export const regions =
  'ams arn bom cdg dfw ewr fra gru iad jnb lax lhr nrt ord sin sjc syd yyz'.split(' ');

export function codeOf(number) {
  let code = '';
  for (let rest = number; code.length < codeLength; rest = Math.floor(rest / 58))
    code = digits[rest % 58] + code;
  return code;
}

export const numberOf = (code) =>
  [...code].reduce((number, digit) => number * 58 + digits.indexOf(digit), 0);

export const regionBits = (code) => Math.floor(numberOf(code) / 2 ** 30);

/** Some code of this region, the same every time. */
export const codeIn = (region) => codeOf(regions.indexOf(region) * 2 ** 30 + 123_456_789);
