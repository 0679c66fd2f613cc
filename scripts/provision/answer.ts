/** Opens the line that a child script answers with: libraries print to stdout as well. */
export const ANSWER_MARK = 'provision-answer: ';
