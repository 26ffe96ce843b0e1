/**
 * What the package `lovage` is outside of the Workers runtime, in unit tests and in scripts: tasks can be defined, their errors
 * thrown and flows built. A call of what needs the platform throws an error that says so.
 */

export * from "./definitions.ts";

export const createLovage = unavailable("createLovage");
export const getTask = unavailable("getTask");
export const signLinks = unavailable("signLinks");
export const submitFlow = unavailable("submitFlow");
export const submitTask = unavailable("submitTask");

export const AttemptObject = unavailable("AttemptObject");
export const Clock = unavailable("Clock");
export const ProgressObject = unavailable("ProgressObject");
export const RateObject = unavailable("RateObject");

function unavailable(name: string) {
  return function fail(): never {
    throw new Error(`lovage: ${name} works inside the Workers runtime alone; test a task with lovage/testing`);
  };
}
