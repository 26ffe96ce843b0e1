/** Says that the service cannot be reached, how old the shown data is, and that the page tries again by itself. */

import { useEffect } from "preact/hooks";
import { awaySince, now } from "../reach.ts";
import { ageWords } from "../words.ts";

export function AwayBanner() {
  const since = awaySince.value;
  useEffect(() => {
    document.body.classList.toggle("away", since !== null);
  }, [since]);
  return (
    <p class="away-banner" role="status" hidden={since === null}>
      {since !== null && (
        <>
          The service does not answer. What is shown is {ageWords(Math.max(0, now.value - since))} old; this page
          reconnects by itself.
        </>
      )}
    </p>
  );
}
