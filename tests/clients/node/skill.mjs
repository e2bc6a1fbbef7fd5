// What the client tests call: the bundled `release-notes` skill, and arguments it accepts.

export const SKILL = 'release-notes';

/** Three commits of the kinds release notes are grouped by. */
export const ARGS = JSON.parse(process.env.OPENCLAW_SKILL_ARGS ?? JSON.stringify({
  version: '1.2.0',
  commits: ['feat: answer by id', 'fix: keep the order of replies', 'docs: say how'],
}));
