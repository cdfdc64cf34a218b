import { Trip } from "./trip.js";

export default function Page() {
  return <Trip />;
}
