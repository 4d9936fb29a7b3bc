/** The report as an SVG: for each workload what every policy cost, against the bound, and when its jobs were done. */
import type { Report } from './report.ts';

const COLOURS = ['#0b7285', '#868e96', '#adb5bd', '#ced4da', '#dee2e6'];
const MOST = 3;
const TITLE = 'What each way to scale cost, in multiples of the least that anybody could pay';
const [WIDTH, ROW, GROUP, LEFT, TOP] = [860, 16, 26, 230, 74];
const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

export function chartOf({ workloads }: Report): string {
  const scale = (times: number): number => (Math.min(times, MOST) / MOST) * (WIDTH - LEFT - 190);
  const parts: string[] = [];
  let y = TOP;
  for (const { workload, policies } of workloads) {
    parts.push(text(12, y + 12, workload, 'font-weight="600"'));
    for (const [index, each] of policies.entries()) {
      const cut = each.timesPatientBound > MOST ? ' …' : '';
      const figures = `${each.timesPatientBound.toFixed(2)} ×${cut}, done in ${(each.finishSeconds / 60).toFixed(0)} min`;
      const width = scale(each.timesPatientBound).toFixed(1);
      const colour = COLOURS[index % COLOURS.length];
      parts.push(text(LEFT - 8, y + 12, each.policy, 'text-anchor="end"'));
      parts.push(`<rect x="${LEFT}" y="${y + 2}" width="${width}" height="${ROW - 4}" fill="${colour}"/>`);
      parts.push(text(LEFT + Number(width) + 6, y + 12, figures, ''));
      y += ROW;
    }
    y += GROUP - ROW;
  }
  const line = (times: number, colour: string): string => {
    const x = (LEFT + scale(times)).toFixed(1);
    return `<line x1="${x}" y1="${TOP - 12}" x2="${x}" y2="${y - 8}" stroke="${colour}" stroke-dasharray="3 3"/>`;
  };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 8}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${TITLE}</title>`,
    `<rect width="${WIDTH}" height="${y + 8}" fill="#ffffff"/>`,
    text(12, 24, TITLE, 'font-size="15" font-weight="600"'),
    text(
      12,
      44,
      'dashed: the bound, and 1.15 times it; beside each bar the mean time from a job’s arrival to its end',
      'fill="#495057"',
    ),
    line(1, '#c92a2a'),
    line(1.15, '#e8590c'),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

const text = (x: number, y: number, content: string, attributes: string): string =>
  `<text x="${x}" y="${y}" ${attributes}>${escaped(content)}</text>`;
