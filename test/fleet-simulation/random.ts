/** Random numbers that are the same for the same seed and name, whoever asks for what in which order. */
import { seededRandom } from '../../local/emulators/faults/faults.ts';

export interface Random {
  /** 0 ≤ x < 1. */
  uniform(): number;
  normal(): number;
  /** Of that mean. */
  exponential(mean: number): number;
  logNormal(median: number, sigma: number): number;
  /** Of that least value; the smaller the shape, the heavier the tail. */
  pareto(least: number, shape: number): number;
  integer(from: number, to: number): number;
}

/** FNV-1a: spreads names over 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}

/** A stream of its own for each name. */
export function randomOf(seed: number, name: string): Random {
  const uniform = seededRandom(hash(`${seed}/${name}`));
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return {
    uniform,
    normal,
    exponential: (mean) => -mean * Math.log(1 - uniform()),
    logNormal: (median, sigma) => median * Math.exp(sigma * normal()),
    pareto: (least, shape) => least / (1 - uniform()) ** (1 / shape),
    integer: (from, to) => from + Math.floor(uniform() * (to - from + 1)),
  };
}
