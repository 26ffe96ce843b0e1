/**
 * The gate before a database, one for all isolates: runs one call at a time, in order, with production's delays, refuses what
 * production refuses, and fails as a test orders.
 */

import { DurableObject } from "cloudflare:workers";
import type { GateRecord } from "../counts.ts";
import type { DatabaseOptions } from "../limits.ts";

export interface Statement {
  sql: string;
  params: unknown[];
}

export type GateMode = "batch" | "raw" | "rawWithNames" | "exec";

export type Answer = { results: unknown } | { message: string };

/** The faults that a test orders. They end after `forMs`. */
export interface Faults {
  forMs: number;
  /** New calls are neither run nor answered. */
  isSilent?: boolean;
  /** The share of calls that fail, half of them after they were run. */
  errorRate?: number;
  /** Every delay is multiplied by this. */
  slowdown?: number;
}

interface GateEnv {
  STRICT_DATABASE: DatabaseOptions;
  [binding: string]: unknown;
}

const TEXT = {
  queued: "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
  late: "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
  full: "D1_ERROR: Exceeded maximum DB size",
  lost: "D1_ERROR: Network connection lost.",
  silent: "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.",
} as const;

/** Statements that free space, which a full database does not refuse. */
const MAKES_ROOM = /^\s*(delete|drop)\b/i;
const WRITES = /\b(insert|replace)\s+(or\s+\w+\s+)?into\b|\bupdate\s+\w|\bdelete\s+from\b|^\s*(create|alter|drop)\b/i;

export class D1Gate extends DurableObject<GateEnv> {
  #options: DatabaseOptions = this.env.STRICT_DATABASE;
  #faults: Omit<Faults, "forMs"> = {};
  #faultsEnd = Promise.withResolvers<void>();
  #faultsTimer: number | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #record: GateRecord = emptyRecord();

  /** Runs the statements as one call to D1. Never throws for what D1 refuses. */
  async query(statements: Statement[], mode: GateMode): Promise<Answer> {
    this.#record.calls += 1;
    this.#record.statements += statements.length;
    const halfway = (this.#options.networkMs / 2) * (this.#faults.slowdown ?? 1);
    await pause(halfway);
    const answer = await this.#admit(statements, mode);
    await pause(halfway);
    return answer;
  }

  /** Orders faults; they replace those that were ordered before. */
  async order({ forMs, ...faults }: Faults): Promise<void> {
    clearTimeout(this.#faultsTimer);
    this.#faultsEnd.resolve();
    this.#faultsEnd = Promise.withResolvers();
    this.#faults = faults;
    this.#faultsTimer = setTimeout(() => {
      this.#faults = {};
      this.#faultsEnd.resolve();
    }, forMs);
  }

  async configure(options: Partial<DatabaseOptions>): Promise<DatabaseOptions> {
    this.#options = { ...this.#options, ...options };
    return this.#options;
  }

  async record(): Promise<GateRecord> {
    return this.#record;
  }

  async reset(): Promise<void> {
    this.#record = { ...emptyRecord(), sizeBytes: this.#record.sizeBytes };
  }

  async #admit(statements: Statement[], mode: GateMode): Promise<Answer> {
    if (this.#faults.isSilent) return this.#stayFrom();
    const isFaulty = Math.random() < (this.#faults.errorRate ?? 0);
    if (isFaulty && Math.random() < 0.5) return this.#refuse("failed", TEXT.lost);
    if (this.#queued >= this.#options.maxQueued) return this.#refuse("overloaded", TEXT.queued);
    const answer = await this.#inTurn(() => this.#run(statements, mode));
    return isFaulty ? this.#refuse("failed", TEXT.lost) : answer;
  }

  /** Fails a call to a silent database, after `patienceMs` or when the silence ends. */
  async #stayFrom(): Promise<Answer> {
    await Promise.race([pause(this.#options.patienceMs), this.#faultsEnd.promise]);
    return this.#refuse("silent", TEXT.silent);
  }

  async #inTurn(run: () => Promise<Answer>): Promise<Answer> {
    const cameAt = Date.now();
    this.#queued += 1;
    this.#record.mostQueued = Math.max(this.#record.mostQueued, this.#queued);
    const before = this.#last;
    const turn = (async () => {
      await before;
      this.#queued -= 1;
      if (Date.now() - cameAt > this.#options.patienceMs) return this.#refuse("overloaded", TEXT.late);
      return run();
    })();
    this.#last = turn;
    return turn;
  }

  async #run(statements: Statement[], mode: GateMode): Promise<Answer> {
    const isFull = this.#record.sizeBytes > this.#options.maxBytes;
    if (isFull && statements.some(({ sql }) => WRITES.test(sql) && !MAKES_ROOM.test(sql))) {
      return this.#refuse("full", TEXT.full);
    }
    const { readMs, writeMs } = this.#options;
    const slowdown = this.#faults.slowdown ?? 1;
    try {
      const results = await this.#execute(statements, mode);
      const writes = mode === "batch" ? (results as D1Result[]).filter(hasWritten).length : countWrites(statements);
      this.#record.writes += writes;
      await pause((writes * writeMs + (statements.length - writes) * readMs) * slowdown);
      return { results };
    } catch (error) {
      await pause(readMs * slowdown);
      return { message: error instanceof Error ? error.message : String(error) };
    }
  }

  async #execute(statements: Statement[], mode: GateMode): Promise<unknown> {
    const database = this.env[this.ctx.id.name!] as D1Database;
    const prepared = statements.map(({ sql, params }) => database.prepare(sql).bind(...params));
    if (mode === "raw") return prepared[0]!.raw();
    if (mode === "rawWithNames") return prepared[0]!.raw({ columnNames: true });
    if (mode === "exec") return database.exec(statements[0]!.sql);
    const results = prepared.length === 1 ? [await prepared[0]!.all()] : await database.batch(prepared);
    this.#record.sizeBytes = results.at(-1)?.meta.size_after ?? this.#record.sizeBytes;
    return results;
  }

  #refuse(why: keyof GateRecord["refused"], message: string): Answer {
    this.#record.refused[why] += 1;
    return { message };
  }
}

function hasWritten({ meta }: D1Result): boolean {
  return meta.rows_written > 0;
}

function countWrites(statements: Statement[]): number {
  return statements.filter(({ sql }) => WRITES.test(sql)).length;
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await scheduler.wait(ms);
}

function emptyRecord(): GateRecord {
  return {
    calls: 0,
    statements: 0,
    writes: 0,
    mostQueued: 0,
    refused: { overloaded: 0, full: 0, failed: 0, silent: 0 },
    sizeBytes: 0,
  };
}
