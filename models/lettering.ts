/** Height of a letter, and its width with the gap behind it, in dots. */
export const LETTER = { height: 5, width: 4 } as const;

/** Five rows of three dots, a digit from 0 to 7 each: the left dot counts 4. */
const LETTERS: Readonly<Record<string, string>> = {
  ...{ A: '25755', B: '65656', C: '34443', D: '65556', E: '74647', F: '74644', G: '34553' },
  ...{ H: '55755', I: '72227', J: '11152', K: '55655', L: '44447', M: '57755', N: '65555' },
  ...{ O: '25552', P: '65644', Q: '25563', R: '65655', S: '34216', T: '72222', U: '55557' },
  ...{ V: '55552', W: '55775', X: '55255', Y: '55222', Z: '71247' },
  ...{ 0: '75557', 1: '26227', 2: '61247', 3: '61216', 4: '55711', 5: '74616', 6: '34757' },
  ...{ 7: '71222', 8: '75757', 9: '75716', '-': '00700', '.': '00002', ' ': '00000' },
};

/** What no letter is there for. */
const UNKNOWN = '77777';

/**
 * Text as dots, in capitals: [height][width], true where there is ink. Enough to name the rows of a
 * sheet of pictures, which no font needs to be installed for.
 */
export function lettering(text: string): boolean[][] {
  const letters = [...text.toUpperCase()].map((letter) => LETTERS[letter] ?? UNKNOWN);
  return Array.from({ length: LETTER.height }, (_, row) =>
    letters.flatMap((rows) => {
      const dots = Number(rows[row]);
      return [(dots & 4) !== 0, (dots & 2) !== 0, (dots & 1) !== 0, false];
    }),
  );
}
